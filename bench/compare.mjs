// How far two results are apart.

/** Boxes that overlap less are different detections, unless no side is a pixel apart: boxes at an edge may have no area. */
const SAME = 0.75;
const PIXEL = 1;

const boxAt = (boxes, i) => boxes.slice(4 * i, 4 * i + 4);

function overlap(a, b) {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = ([x1, y1, x2, y2]) => (x2 - x1) * (y2 - y1);
  return (width * height) / (area(a) + area(b) - width * height);
}

/**
 * Each detection is paired with the nearest of the same class that overlaps it, both once: how many find a partner, and the largest
 * differences among the pairs. Of operators' outputs: the largest difference.
 */
export function compare(own, other) {
  if (own.values) {
    const values = Math.max(0, ...own.values.map((v, i) => Math.abs(v - (other.values[i] ?? NaN))));
    return { values, matched: own.values.length, of: other.values.length };
  }
  const free = new Set(other.scores.keys());
  const difference = {
    matched: 0,
    of: other.scores.length,
    own: own.scores.length,
    boxes: 0,
    scores: 0,
  };
  own.scores.forEach((score, i) => {
    const box = boxAt(own.boxes, i);
    let [nearest, found] = [Infinity, -1];
    for (const j of free) {
      if (own.labels[i] !== other.labels[j]) continue;
      const there = boxAt(other.boxes, j);
      const apart = Math.max(...there.map((x, k) => Math.abs(x - box[k])));
      const same = apart < PIXEL || overlap(box, there) > SAME;
      if (same && apart < nearest) [nearest, found] = [apart, j];
    }
    if (found < 0) return;
    free.delete(found);
    difference.matched++;
    difference.boxes = Math.max(difference.boxes, nearest);
    difference.scores = Math.max(difference.scores, Math.abs(score - other.scores[found]));
    if (own.areas && other.areas) {
      const pixels = Math.abs(own.areas[i] - other.areas[found]);
      difference.areas = Math.max(difference.areas ?? 0, pixels);
    }
  });
  return difference;
}

/** In words: `100/100, 0.002 px, 3e-6`. */
export function difference({ matched, of, boxes, scores, values, areas }) {
  if (values !== undefined) {
    return matched === of ? `values to ${values.toExponential(0)}` : `${matched} values, not ${of}`;
  }
  const masks = areas === undefined ? '' : `, masks ${areas} px²`;
  return `${matched}/${of}, ${boxes.toPrecision(1)} px, ${scores.toExponential(0)}${masks}`;
}
