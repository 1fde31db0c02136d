/** Finds a place for each label of a drawn picture: inside the picture, near its box, not on top of other labels. */

export interface Rectangle {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

interface Size {
  readonly width: number;
  readonly height: number;
}

function overlap(a: Rectangle, b: Rectangle): number {
  const width = Math.min(a.x + a.width, b.x + b.width) - Math.max(a.x, b.x);
  const height = Math.min(a.y + a.height, b.y + b.height) - Math.max(a.y, b.y);
  return width > 0 && height > 0 ? width * height : 0;
}

function clamp(value: number, low: number, high: number): number {
  return Math.max(low, Math.min(value, high));
}

/** Places for a label, the most readable first: above the box, inside at its top, below, inside at its bottom, … */
function candidates(box: Rectangle, label: Size): [x: number, y: number][] {
  const right = box.x + box.width - label.width;
  const bottom = box.y + box.height;
  const rows = [box.y - label.height, box.y, bottom, bottom - label.height];
  // Stacked downwards inside the box, for boxes that start in the same corner.
  for (let k = 1; k <= 6; k++) rows.push(box.y + k * label.height);
  return [...rows.map((y) => [box.x, y]), ...rows.map((y) => [right, y])] as [number, number][];
}

/**
 * Places the label of `box`. The first candidate clear of `placed` wins; where none is, the one that covers least.
 *
 * @param placed - Labels that already have their place.
 */
export function placeLabel(
  box: Rectangle,
  label: Size,
  picture: Size,
  placed: readonly Rectangle[],
): Rectangle {
  let best: Rectangle | undefined;
  let bestCost = Infinity;
  for (const [x, y] of candidates(box, label)) {
    const place = {
      ...label,
      x: clamp(x, 0, Math.max(0, picture.width - label.width)),
      y: clamp(y, 0, Math.max(0, picture.height - label.height)),
    };
    // A place moved back into the picture from above would cover the box's edge: the next candidate does better.
    const moved = Math.abs(place.y - y) * label.width * 0.01;
    const covered = placed.reduce((sum, other) => sum + overlap(place, other), 0);
    const cost = covered + moved;
    if (cost < bestCost) {
      best = place;
      bestCost = cost;
    }
    if (cost === 0) break;
  }
  return best ?? { ...label, x: 0, y: 0 };
}
