/** Which boxes can be used. */
import type { Problem } from './problems';
import type { ImageRecord } from './reader';
import type { ObjectRow } from './table';

type Box = readonly [x1: number, y1: number, x2: number, y2: number];

/** What became of a box: undefined where it cannot be used; the fault where there is one to report. */
export interface CheckedBox {
  readonly box?: Box;
  readonly fault?: Pick<Problem, 'kind' | 'message'>;
}

function show(box: Box): string {
  return `[${box.map((value) => Number(value.toFixed(2))).join(', ')}]`;
}

/** Checks the boxes of one image. */
export class BoxChecks {
  readonly #seen = new Set<string>();

  constructor(
    private readonly image: Pick<ImageRecord, 'width' | 'height'>,
    /** Pixels that a box may lie outside. */
    private readonly tolerance: number,
  ) {}

  check(object: ObjectRow, name: string): CheckedBox {
    const { x1, y1, x2, y2 } = object;
    const box: Box = [x1, y1, x2, y2];
    if (!box.every(Number.isFinite)) {
      const message = `${name}: the box ${show(box)} has a coordinate that is no finite number; it is left out`;
      return { fault: { kind: 'box-number', message } };
    }
    if (x2 <= x1 || y2 <= y1) {
      const size = `${Number((x2 - x1).toFixed(2))} x ${Number((y2 - y1).toFixed(2))}`;
      const message = `${name}: the box ${show(box)} has no area, it is ${size} pixels; it is left out`;
      return { fault: { kind: 'box-area', message } };
    }
    if (!object.crowd && this.#isRepeated(object)) {
      const message = `${name}: the box ${show(box)} of the same class is there before; this one is left out`;
      return { fault: { kind: 'duplicate-box', message } };
    }
    return this.#checkInside(box, name);
  }

  #isRepeated({ category, x1, y1, x2, y2 }: ObjectRow): boolean {
    const key = `${category},${x1},${y1},${x2},${y2}`;
    if (this.#seen.has(key)) return true;
    this.#seen.add(key);
    return false;
  }

  #checkInside(box: Box, name: string): CheckedBox {
    const { width, height } = this.image;
    const t = this.tolerance;
    const [x1, y1, x2, y2] = box;
    if (x1 >= -t && y1 >= -t && x2 <= width + t && y2 <= height + t) return { box };
    const [left, right] = [Math.max(x1, 0), Math.min(x2, width)];
    const [top, bottom] = [Math.max(y1, 0), Math.min(y2, height)];
    const clipped: Box = [left, top, right, bottom];
    const inside = right > left && bottom > top;
    const action = inside ? `it is cut to ${show(clipped)}` : 'no part is inside, it is left out';
    const message = `${name}: the box ${show(box)} goes beyond the image, ${width} x ${height} pixels; ${action}`;
    const fault = { kind: 'box-outside', message } as const;
    return inside ? { box: clipped, fault } : { fault };
  }
}
