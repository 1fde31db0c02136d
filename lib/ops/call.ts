/** What all functions of `ops` share: arrays or tensors in, the same kind out, the work on the device's own thread. */
import type { DType, NativeTensor, ScriptValue } from '../../binding';
import { engine, onCallersStack } from '../engine';
import { TorchdetError } from '../errors';
import { Tensor } from '../tensor';

/** Numbers by rows, one box after the other: `[x1, y1, x2, y2, x1, y1, x2, y2, …]`. Computed with as float32. */
export type Numbers = Float32Array | readonly number[];

/** Whole numbers, one for each box. */
export type Integers = Int32Array | BigInt64Array | readonly number[];

const FLOATS: readonly DType[] = ['float32', 'float64', 'float16', 'bfloat16'];

/** The kind of a call's lists, and so of its results. */
type Kind = 'an array' | 'a Tensor';

/** One call: takes its arguments in, runs an operator, and gives results back in kind. */
export class OperatorCall {
  readonly where: string;
  readonly #caller = new Error();
  /** Tensors over the caller's arrays. */
  readonly #borrowed: Tensor[] = [];
  #kind: Kind | undefined;
  #firstList = '';
  #device: string | undefined;

  constructor(name: string) {
    this.where = `ops.${name}`;
  }

  /** Rows of numbers, by default boxes: an array whose length is a multiple of `columns`, or a tensor N x columns. */
  rows(name: string, value: Numbers | Tensor, columns = 4): NativeTensor {
    this.#list(name, value);
    return this.#rows(name, value, columns);
  }

  /** Boxes whose kind does not decide the result's: those of feature maps, which are always tensors. */
  boxesOfMaps(name: string, value: Numbers | Tensor, columns = 4): NativeTensor {
    return this.#rows(name, value, columns);
  }

  /** One number for each of `count` boxes. */
  numbers(name: string, value: Numbers | Tensor, count: number): NativeTensor {
    this.#list(name, value);
    if (value instanceof Tensor) return this.#vector(name, value, count, FLOATS, 'floating point');
    const data = this.#floats(name, value);
    this.#checkCount(name, data.length, count);
    return this.#borrow(data, [data.length]);
  }

  /** One whole number for each of `count` boxes, or of as many as there are. */
  integers(name: string, value: Integers | Tensor, count?: number): NativeTensor {
    this.#list(name, value);
    if (value instanceof Tensor) return this.#vector(name, value, count);
    const data = Array.isArray(value) ? this.#whole(name, value) : value;
    if (!(data instanceof Int32Array || data instanceof BigInt64Array)) {
      throw this.error(`${name} must be an Int32Array, a BigInt64Array, an array or a Tensor.`);
    }
    this.#checkCount(name, data.length, count);
    return this.#borrow(data, [data.length]);
  }

  /** A tensor of `rank` dimensions, floating point. `layout` is what messages call its dimensions. */
  tensor(name: string, value: Tensor, rank: number, layout: string): NativeTensor {
    const given: unknown = value;
    if (!(given instanceof Tensor))
      throw this.error(`${name} must be a Tensor of shape ${layout}.`);
    if (value.shape.length !== rank) {
      throw this.error(
        `${name} must have shape ${layout}, got a tensor of shape [${value.shape.join(', ')}].`,
      );
    }
    this.#checkDtype(name, value, FLOATS, 'floating point');
    return this.#onDevice(name, value);
  }

  /** A number in [min, max] that is no option. */
  number(name: string, value: number, min: number, max: number): number {
    if (typeof value === 'number' && value >= min && value <= max) return value;
    const range = max === Infinity ? `of at least ${min}` : `from ${min} to ${max}`;
    throw this.error(`${name} must be a number ${range}, got ${String(value)}.`);
  }

  /** An integer of at least `min` that is no option. */
  integer(name: string, value: number, min: number): number {
    if (Number.isSafeInteger(value) && value >= min) return value;
    throw this.error(`${name} must be an integer of at least ${min}, got ${String(value)}.`);
  }

  error(problem: string): TorchdetError {
    return new TorchdetError('ERR_INVALID_ARGUMENT', `${this.where}: ${problem}`);
  }

  /** Runs one operator, or several one after the other; what was borrowed goes back when it has settled. */
  async run<T>(work: (call: Operators) => Promise<T>): Promise<T> {
    const device = this.#device ?? 'cpu';
    const call = async (name: string, ...args: ScriptValue[]) =>
      engine().callOperator(name, args, device);
    try {
      return await onCallersStack(work({ call }), this.#caller);
    } finally {
      for (const tensor of this.#borrowed) tensor.dispose();
    }
  }

  /** One operator, whose result is a list of numbers: a Float32Array where the arguments were arrays. */
  async runForNumbers(name: string, ...args: ScriptValue[]): Promise<Float32Array | Tensor> {
    return this.run(async ({ call }) => {
      const result = (await call(name, ...args)) as NativeTensor;
      return this.#kind === 'a Tensor'
        ? new Tensor(result)
        : (result.toTypedArray() as Float32Array);
    });
  }

  /** One operator, whose result is a Tensor whatever the arguments were. */
  async runForTensor(name: string, ...args: ScriptValue[]): Promise<Tensor> {
    return this.run(async ({ call }) => new Tensor((await call(name, ...args)) as NativeTensor));
  }

  /** One operator without lists among its arguments, whose result is a list of numbers. */
  async runForArray(name: string, ...args: ScriptValue[]): Promise<Float32Array> {
    return (await this.runForNumbers(name, ...args)) as Float32Array;
  }

  /** One operator, whose result is a list of int64: an Int32Array where the arguments were arrays. */
  async runForIntegers(name: string, ...args: ScriptValue[]): Promise<Int32Array | Tensor> {
    return this.run(async ({ call }) =>
      this.integersOf((await call(name, ...args)) as NativeTensor),
    );
  }

  integersOf(result: NativeTensor): Int32Array | Tensor {
    if (this.#kind === 'a Tensor') return new Tensor(result);
    // The lower half of each int64, which comes first in memory: indices fit, and no BigInt is made for each.
    const { buffer, byteOffset, length } = result.toTypedArray() as BigInt64Array;
    const halves = new Int32Array(buffer, byteOffset, 2 * length);
    return Int32Array.from({ length }, (_, i) => halves[2 * i] ?? 0);
  }

  #rows(name: string, value: Numbers | Tensor, columns: number): NativeTensor {
    if (value instanceof Tensor) {
      const { shape } = value;
      if (shape.length !== 2 || shape[1] !== columns) {
        throw this.error(
          `${name} must have shape [N, ${columns}], got a tensor of shape [${shape.join(', ')}].`,
        );
      }
      this.#checkDtype(name, value, FLOATS, 'floating point');
      return this.#onDevice(name, value);
    }
    const data = this.#floats(name, value);
    if (columns === 0 ? data.length > 0 : data.length % columns !== 0) {
      throw this.error(
        `${name} must hold ${columns} numbers for each box, got ${data.length}, which is no multiple of ${columns}.`,
      );
    }
    return this.#borrow(data, [columns === 0 ? 0 : data.length / columns, columns]);
  }

  /** Lists are all arrays or all tensors: the result is of their kind. */
  #list(name: string, value: unknown): void {
    const kind = value instanceof Tensor ? 'a Tensor' : 'an array';
    if (this.#kind === undefined) {
      this.#kind = kind;
      this.#firstList = name;
    } else if (this.#kind !== kind) {
      throw this.error(
        `${this.#firstList} is ${this.#kind} and ${name} ${kind}; pass arrays only or Tensors only.`,
      );
    }
  }

  #vector(
    name: string,
    tensor: Tensor,
    count: number | undefined,
    dtypes?: readonly DType[],
    what = '',
  ): NativeTensor {
    const [length = 0] = tensor.shape;
    if (tensor.shape.length !== 1) {
      throw this.error(
        `${name} must have shape [N], got a tensor of shape [${tensor.shape.join(', ')}].`,
      );
    }
    this.#checkCount(name, length, count);
    if (dtypes) this.#checkDtype(name, tensor, dtypes, what);
    return this.#onDevice(name, tensor);
  }

  #checkCount(name: string, length: number, count: number | undefined): void {
    if (count === undefined || length === count) return;
    throw this.error(`${name} must hold one number for each of the ${count} boxes, got ${length}.`);
  }

  #checkDtype(name: string, tensor: Tensor, dtypes: readonly DType[], what: string): void {
    if (dtypes.includes(tensor.dtype)) return;
    throw this.error(`${name} must be ${what}, got a tensor of ${tensor.dtype}.`);
  }

  #floats(name: string, value: Numbers): Float32Array {
    if (value instanceof Float32Array) return value;
    if (Array.isArray(value)) {
      const odd = value.findIndex((number: unknown) => typeof number !== 'number');
      if (odd < 0) return Float32Array.from(value);
      throw this.error(`${name} must be a flat list of numbers; entry ${odd} is none.`);
    }
    throw this.error(`${name} must be a Float32Array, an array of numbers or a Tensor.`);
  }

  #whole(name: string, value: readonly number[]): Int32Array {
    const whole = Int32Array.from(value);
    const odd = value.findIndex((number, i) => number !== whole[i]);
    if (odd < 0) return whole;
    throw this.error(`${name} must hold whole numbers, entry ${odd} is ${String(value[odd])}.`);
  }

  #borrow(data: Float32Array | Int32Array | BigInt64Array, shape: readonly number[]): NativeTensor {
    const tensor = Tensor.from(data, shape);
    this.#borrowed.push(tensor);
    return this.#onDevice('an array', tensor);
  }

  #onDevice(name: string, tensor: Tensor): NativeTensor {
    const { device } = tensor;
    this.#device ??= device;
    if (this.#device === device) return tensor.native;
    throw this.error(`${name} is on ${device}, what comes before it on ${this.#device}.`);
  }
}

/** Runs operators on the call's device. */
export interface Operators {
  readonly call: (name: string, ...args: ScriptValue[]) => Promise<ScriptValue>;
}
