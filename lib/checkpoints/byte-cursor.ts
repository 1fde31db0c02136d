import { formatError } from './types';

/** Reads forward through bytes; every read is checked against the end. */
export class ByteCursor {
  private readonly view: DataView;

  constructor(
    readonly bytes: Buffer,
    /** Names the file in errors. */
    readonly where: string,
    public position = 0,
  ) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Moves over `count` bytes and returns where they begin. */
  skip(count: number): number {
    const start = this.position;
    if (count > this.bytes.length - start) {
      throw formatError(
        this.where,
        `truncated: ${count} bytes wanted at byte ${start}, the data ends at ${this.bytes.length}.`,
      );
    }
    this.position = start + count;
    return start;
  }

  uint8 = (): number => this.view.getUint8(this.skip(1));
  uint16 = (): number => this.view.getUint16(this.skip(2), true);
  int32 = (): number => this.view.getInt32(this.skip(4), true);
  uint32 = (): number => this.view.getUint32(this.skip(4), true);
  float64BigEndian = (): number => this.view.getFloat64(this.skip(8), false);

  /** A 64-bit size; sizes beyond 2^53 become a number too large for any file and fail there. */
  uint64 = (): number => Number(this.view.getBigUint64(this.skip(8), true));

  /** A view, no copy. */
  take(count: number): Buffer {
    const start = this.skip(count);
    return this.bytes.subarray(start, start + count);
  }

  text(count: number): string {
    return this.take(count).toString('utf8');
  }

  /** Up to the next line feed, which is consumed. */
  line(): string {
    const end = this.bytes.indexOf(0x0a, this.position);
    if (end < 0)
      throw formatError(this.where, `truncated: a line at byte ${this.position} has no end.`);
    const text = this.text(end - this.position);
    this.position++;
    return text;
  }
}
