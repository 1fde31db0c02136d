/** Keypoints as SVG: a dot for each, and where there are COCO's 17 the limbs between them. */
import { TorchdetError } from '../errors';

/** What is drawn of a keypoint; those of a detection fit. */
export interface DrawnKeypoint {
  /** Pixels of the picture. */
  readonly x: number;
  readonly y: number;
  /** Default true. Those that are not visible are left out. */
  readonly visible?: boolean;
  /** Keypoints with a score of 0 or less are guesses, and are left out. Default 1. */
  readonly score?: number;
}

const COCO_KEYPOINTS = 17;

/** Pairs of keypoints that a limb or a side of the body joins, by index: COCO's skeleton. */
const cocoSkeleton: readonly (readonly [number, number])[] = [
  ...([
    [15, 13],
    [13, 11],
    [16, 14],
    [14, 12],
    [11, 12],
  ] as const),
  ...([
    [5, 11],
    [6, 12],
    [5, 6],
    [5, 7],
    [6, 8],
    [7, 9],
    [8, 10],
  ] as const),
  ...([
    [1, 2],
    [0, 1],
    [0, 2],
    [1, 3],
    [2, 4],
    [3, 5],
    [4, 6],
  ] as const),
];

/**
 * @param where names the detection in messages
 * @throws TorchdetError ERR_INVALID_ARGUMENT for a position that is no finite number
 */
export function keypointElements(
  where: string,
  keypoints: readonly DrawnKeypoint[],
  colour: string,
  lineWidth: number,
): string {
  const shown = keypoints.map(({ x, y, visible = true, score = 1 }, k) => {
    if (!Number.isFinite(x) || !Number.isFinite(y)) {
      const found = `[${x}, ${y}]`;
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `${where}: keypoints[${k}] must be at finite x and y, got ${found}.`,
      );
    }
    return visible && score > 0 ? { x: x.toFixed(2), y: y.toFixed(2) } : undefined;
  });
  const line = (width: number, stroke: string, pairs: string): string =>
    pairs &&
    `<path d="${pairs}" fill="none" stroke="${stroke}" stroke-width="${width.toFixed(2)}" stroke-linecap="round"/>`;
  const limbs = keypoints.length === COCO_KEYPOINTS ? cocoSkeleton : [];
  const path = limbs
    .map(([from, to]) => {
      const [a, b] = [shown[from], shown[to]];
      return a && b ? `M${a.x} ${a.y}L${b.x} ${b.y}` : '';
    })
    .join('');
  // A dark line below the coloured one, so that it reads on any ground; dots are ringed in white.
  const dots = shown.map((point) =>
    point
      ? `<circle cx="${point.x}" cy="${point.y}" r="${(1.4 * lineWidth).toFixed(2)}" fill="${colour}" stroke="#fff" stroke-width="${(0.5 * lineWidth).toFixed(2)}"/>`
      : '',
  );
  return line(1.8 * lineWidth, '#0008', path) + line(lineWidth, colour, path) + dots.join('');
}
