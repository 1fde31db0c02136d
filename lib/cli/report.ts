import Table from 'cli-table3';
import type { Rle } from '../detection/rle';

/** One detection as it is printed. */
export interface ReportedDetection {
  readonly box: readonly [x1: number, y1: number, x2: number, y2: number];
  readonly label: number;
  readonly name: string;
  readonly score: number;
  /** The mask in COCO's run-length encoding, where the model gives masks. */
  readonly segmentation?: Rle;
  /** x, y, visibility of each keypoint in turn, as COCO writes them, where the model gives keypoints. */
  readonly keypoints?: readonly number[];
}

/** What `--json` prints for one image. */
export interface ReportedImage {
  readonly image: string;
  readonly width: number;
  readonly height: number;
  readonly detections: readonly ReportedDetection[];
}

/** The shortest decimal number that is the same float32: 0.9 rather than 0.8999999761581421. */
export function shortFloat(value: number): number {
  for (let digits = 6; digits <= 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === Math.fround(value)) return short;
  }
  return value;
}

/** A JSON array with one image a line. */
export function toJson(images: readonly ReportedImage[]): string {
  if (images.length === 0) return '[]\n';
  return `[\n${images.map((image) => `  ${JSON.stringify(image)}`).join(',\n')}\n]\n`;
}

/** A borderless table, without colours: as readable in a file as on a terminal. */
export function plainTable(
  head: string[],
  rows: readonly string[][],
  rightAligned: readonly number[],
): string {
  const none = ['top', 'top-mid', 'top-left', 'top-right', 'bottom', 'bottom-mid', 'bottom-left'];
  none.push('bottom-right', 'left', 'left-mid', 'mid', 'mid-mid', 'right', 'right-mid');
  const table = new Table({
    head,
    colAligns: head.map((_, i) => (rightAligned.includes(i) ? 'right' : 'left')),
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    chars: { ...Object.fromEntries(none.map((name) => [name, ''])), middle: '   ' },
  });
  table.push(...rows);
  const lines = table.toString().split('\n');
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

/** The table of `torchdet detect`: a line for each detection, boxes in whole pixels. */
export function toTable(images: readonly ReportedImage[]): string {
  const rows = images.flatMap(({ image, detections }) =>
    detections.length === 0
      ? [[image, '(nothing found)', '', '']]
      : detections.map(({ name, score, box }) => {
          const corners = box.map((value) => String(Math.round(value)).padStart(5)).join('');
          return [image, name, score.toFixed(3), corners];
        }),
  );
  return plainTable(['image', 'name', 'score', '   x1   y1   x2   y2'], rows, [2]);
}
