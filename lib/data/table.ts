/** Objects of a data set while it is read: rows of numbers in one growing array, since there may be millions. */

/** What readers know of one object. */
export interface ObjectRow {
  /** Index of its image among the reader's. */
  image: number;
  /** Index of its class among the reader's. */
  category: number;
  x1: number;
  y1: number;
  x2: number;
  y2: number;
  /** Square pixels; NaN: the box's. */
  area: number;
  crowd: boolean;
  difficult: boolean;
  /** Its number in the files. */
  id: number;
  /** Line in the image's file of annotations. */
  line: number;
  /** Bytes [offset, end) of the file that describe it; NaN where lines are enough. */
  offset: number;
  end: number;
}

const columns = 13;

/** A growing table of {@link ObjectRow}s. */
export class ObjectTable {
  #cells = new Float64Array(64 * columns);
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(row: ObjectRow): void {
    const at = this.#length * columns;
    if (at === this.#cells.length) {
      const larger = new Float64Array(2 * at);
      larger.set(this.#cells);
      this.#cells = larger;
    }
    this.#length += 1;
    this.set(this.#length - 1, row);
  }

  set(index: number, row: ObjectRow): void {
    const { image, category, x1, y1, x2, y2, area, id, line, offset, end } = row;
    const flags = [row.crowd ? 1 : 0, row.difficult ? 1 : 0];
    const cells = [image, category, x1, y1, x2, y2, area, ...flags, id, line, offset, end];
    this.#cells.set(cells, index * columns);
  }

  get(index: number): ObjectRow {
    const cells = this.#cells.subarray(index * columns, (index + 1) * columns);
    const [image = 0, category = 0, x1 = 0, y1 = 0, x2 = 0, y2 = 0, area = 0, ...rest] = cells;
    const [crowd, difficult, id = 0, line = 0, offset = 0, end = 0] = rest;
    const flags = { crowd: crowd === 1, difficult: difficult === 1 };
    return { image, category, x1, y1, x2, y2, area, ...flags, id, line, offset, end };
  }

  /** The image of a row, without making the row. */
  imageOf(index: number): number {
    return this.#cells[index * columns] ?? -1;
  }
}

/** Keypoints of the objects that have them: `count` times x, y, visibility each. */
export class KeypointTable {
  readonly #rows = new Map<number, Float32Array>();

  constructor(readonly count: number) {}

  set(object: number, values: ArrayLike<number>): void {
    this.#rows.set(object, Float32Array.from(values));
  }

  get(object: number): Float32Array | undefined {
    return this.#rows.get(object);
  }
}
