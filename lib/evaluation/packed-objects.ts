/** Objects of many images in arrays that grow: what the native evaluation reads in one go. */
import type { EvaluationObjects } from '../../binding';

type NumberArray = Float64Array | Int32Array | Uint32Array | Uint8Array;

/** A typed array that grows as numbers come. Views of it stay as they are. */
class Column<A extends NumberArray> {
  readonly #make: new (length: number) => A;
  #data: A;
  #length = 0;

  constructor(make: new (length: number) => A) {
    this.#make = make;
    this.#data = new make(64);
  }

  get length(): number {
    return this.#length;
  }

  get view(): A {
    return this.#data.subarray(0, this.#length) as A;
  }

  at(index: number): number {
    return this.#data[index] ?? 0;
  }

  push(...values: readonly number[]): void {
    this.append(values);
  }

  append(values: ArrayLike<number>): void {
    const length = this.#length + values.length;
    if (length > this.#data.length) {
      const larger = new this.#make(Math.max(length, 2 * this.#data.length));
      larger.set(this.#data);
      this.#data = larger;
    }
    this.#data.set(values, this.#length);
    this.#length = length;
  }
}

/** One object or detection on its way into the arrays. */
export interface PackedObject {
  readonly category: number;
  readonly flags: number;
  /** x, y, width, height. */
  readonly box: readonly [number, number, number, number];
  /** The ground truth's area, the detection's score. */
  readonly value: number;
  /** Empty where masks are not compared, or where the object has none. */
  readonly runs: ArrayLike<number>;
  /** Empty where keypoints are not compared. */
  readonly keypoints: ArrayLike<number>;
  /** Where it stands in the list that its image came with. */
  readonly index: number;
}

export class PackedObjects {
  readonly #offsets = new Column(Int32Array);
  readonly #categories = new Column(Int32Array);
  readonly #flags = new Column(Uint8Array);
  readonly #boxes = new Column(Float64Array);
  readonly #values = new Column(Float64Array);
  readonly #runs = new Column(Uint32Array);
  readonly #runOffsets = new Column(Uint32Array);
  readonly #keypoints = new Column(Float64Array);
  readonly #indices = new Column(Int32Array);

  constructor() {
    this.#offsets.push(0);
    this.#runOffsets.push(0);
  }

  addImage(objects: readonly PackedObject[]): void {
    for (const object of objects) {
      this.#categories.push(object.category);
      this.#flags.push(object.flags);
      this.#boxes.append(object.box);
      this.#values.push(object.value);
      this.#runs.append(object.runs);
      this.#runOffsets.push(this.#runs.length);
      this.#keypoints.append(object.keypoints);
      this.#indices.push(object.index);
    }
    this.#offsets.push(this.#categories.length);
  }

  /** Where image i's objects begin; those of the next one where they end. */
  offset(image: number): number {
    return this.#offsets.at(image);
  }

  /** Place of a packed object in the list that its image came with. */
  index(object: number): number {
    return this.#indices.at(object);
  }

  /** Areas of ground truth, scores of detections. */
  get values(): Float64Array {
    return this.#values.view;
  }

  view(): EvaluationObjects {
    return {
      offsets: this.#offsets.view,
      categories: this.#categories.view,
      flags: this.#flags.view,
      boxes: this.#boxes.view,
      runs: this.#runs.view,
      runOffsets: this.#runOffsets.view,
      keypoints: this.#keypoints.view,
    };
  }
}
