/** In what numbers a detector computes, and measuring what int8 needs. */
import type { Binding, NativeDetector } from '../../binding';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { type ImageInput, prepareImage } from '../images/input';
import { abortable, type PendingCalls } from './calls';

/**
 * Numbers that the network computes in: `float32`, `bfloat16` (8 bits of mantissa; half the memory traffic, and twice the speed on
 * CPUs with AVX512-BF16), `float16` (11 bits, numbers to 65504; on a GPU), `int8` (integers of 8 bits, after `Detector.calibrate`; on
 * the CPU). Anchors, boxes, suppression and scores are float32
 * in all of them.
 */
export type Precision = 'float32' | 'bfloat16' | 'float16' | 'int8';

export const PRECISIONS: readonly Precision[] = ['float32', 'bfloat16', 'float16', 'int8'];

/** Ranges of activations, measured by `Detector.calibrate`; plain data, which JSON holds. They belong to the weights they were measured with. */
export interface Calibration {
  /** Fingerprint of those weights. */
  readonly weights: string;
  /** By part of the network, lowest and highest of each tensor, one after the other. */
  readonly parts: Readonly<Record<string, readonly number[]>>;
}

/** Options of making a detector. */
export interface PrecisionOptions {
  /** Default `float32`. `int8` needs a calibration: the archive's own, or `calibration`. */
  readonly precision?: Precision;
  /** What `Detector.calibration` was, for example read from a file. Default: the archive's own, where it has one. */
  readonly calibration?: Calibration;
}

/** Options of `Detector.calibrate`. */
export interface CalibrateOptions {
  /**
   * How ranges are chosen: `minMax` (default) keeps all that was seen, `meanSquare` lets outliers go where that rounds the rest better.
   */
  readonly method?: 'minMax' | 'meanSquare';
  /** Images of more pixels are refused before they are decoded. Default 100 million. */
  readonly maxPixels?: number;
  readonly signal?: AbortSignal;
  /** Called after each image with how many were measured. */
  readonly onProgress?: (done: number) => void;
}

const CALIBRATE_OPTIONS = ['method', 'maxPixels', 'signal', 'onProgress'] as const;

function isCalibration(value: unknown): value is Calibration {
  if (typeof value !== 'object' || value === null) return false;
  const { weights, parts } = value as Partial<Calibration>;
  return (
    typeof weights === 'string' &&
    typeof parts === 'object' &&
    Object.values(parts).every((ranges) => Array.isArray(ranges) && ranges.every(Number.isFinite))
  );
}

/**
 * Says where a precision cannot be had.
 *
 * @throws TorchdetError ERR_OPTION_VALUE for a name that is none, ERR_PRECISION where the device or its CPU cannot
 */
export function checkPrecision(
  where: string,
  precision: Precision,
  device: string,
  cpu: { readonly bfloat16: boolean; readonly int8: boolean },
): void {
  if (!PRECISIONS.includes(precision)) {
    throw optionError(where, 'precision', precision, "'float32', 'bfloat16', 'float16' or 'int8'");
  }
  if (precision === 'float32') return;
  if (precision === 'int8' && device !== 'cpu') {
    throw new TorchdetError(
      'ERR_PRECISION',
      `${where}: int8 runs on the CPU, this detector is on ${device}: use bfloat16 or float16 there.`,
    );
  }
  if (device !== 'cpu') return;
  if (precision === 'float16') {
    throw new TorchdetError(
      'ERR_PRECISION',
      `${where}: float16 runs on a GPU, this detector is on the CPU: use bfloat16 here.`,
    );
  }
  if (cpu[precision]) return;
  const [needed, instead] =
    precision === 'int8'
      ? ['AVX512-VNNI instructions', cpu.bfloat16 ? "'float32' or 'bfloat16'" : "'float32'"]
      : ['AVX512 instructions', "'float32'"];
  throw new TorchdetError(
    'ERR_PRECISION',
    `${where}: ${precision} needs ${needed}, which this CPU has not: use ${instead}.`,
  );
}

/** The images, without waiting for one that does not come once the signal is aborted. */
async function* untilAborted<Item>(
  items: Iterable<Item> | AsyncIterable<Item>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item> {
  const iterator =
    Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  let ended = false;
  try {
    while (true) {
      const next = await abortable(signal, undefined, async () => iterator.next());
      ended = next.done === true;
      if (next.done) return;
      yield next.value;
    }
  } finally {
    // Whoever does not give the next image may not end either, which nobody waits for after an abort.
    const end = ended ? undefined : Promise.resolve(iterator.return?.());
    if (signal?.aborted) end?.catch(() => undefined);
    else await end;
  }
}

/** The precision of one detector. */
export class DetectorPrecision {
  #precision: Precision = 'float32';
  #calibration: Calibration | undefined;
  /** The last calibration's end. */
  #measuring: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly binding: Binding,
    private readonly native: NativeDetector,
    private readonly calls: PendingCalls,
    private readonly device: string,
    /** Whether the model runs through its archive's own forward. */
    private readonly foreign: boolean,
    calibration: Calibration | undefined,
  ) {
    this.#calibration = calibration;
  }

  get precision(): Precision {
    return this.#precision;
  }

  get calibration(): Calibration | undefined {
    return this.#calibration;
  }

  /** Takes what a detector was made with. */
  async start(where: string, { precision = 'float32', calibration }: PrecisionOptions) {
    if (precision === 'float32' && !calibration) return;
    await this.set(where, precision, calibration);
  }

  /** Of the next predict() on. */
  async set(where: string, precision: Precision, calibration?: Calibration): Promise<void> {
    checkPrecision(where, precision, this.device, this.binding.Detector.cpuSupport());
    if (this.foreign && precision !== 'float32') {
      throw new TorchdetError(
        'ERR_ARCHIVE_UNSUPPORTED',
        `${where}: this model runs through its archive's own forward, in float32 only.`,
      );
    }
    if (calibration !== undefined && !isCalibration(calibration)) {
      throw optionError(where, 'calibration', typeof calibration, 'what Detector.calibration was');
    }
    const given = calibration ?? (precision === 'int8' ? this.#calibration : undefined);
    if (precision === 'int8' && !given) {
      throw new TorchdetError(
        'ERR_CALIBRATION',
        `${where}: int8 needs to know the ranges of activations: call calibrate() with images like those to come.`,
      );
    }
    await this.calls.change(() => this.native.setPrecision(precision, given ?? null));
    if (given) this.#calibration = given;
    this.#precision = precision;
  }

  /** Measures; the precision stays what it is. */
  async calibrate(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options: CalibrateOptions,
  ): Promise<Calibration> {
    rejectUnknownOptions('calibrate', options, CALIBRATE_OPTIONS);
    const { method = 'minMax', signal } = options;
    if (!['minMax', 'meanSquare'].includes(method)) {
      throw optionError('calibrate', 'method', method, "'minMax' or 'meanSquare'");
    }
    const token = new this.binding.CancelToken();
    const cancel = () => {
      token.cancel();
    };
    // One after the other: what is measured gathers in the native detector.
    const before = this.#measuring;
    const work = () => {
      const measured = this.calls.attend(async () => {
        await before;
        return this.measure(images, options, method, token);
      });
      this.#measuring = measured.catch(() => undefined);
      return measured;
    };
    return abortable(signal, cancel, work);
  }

  private async measure(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    { maxPixels, signal, onProgress }: CalibrateOptions,
    method: string,
    token: InstanceType<Binding['CancelToken']>,
  ): Promise<Calibration> {
    const decode = maxPixels === undefined ? {} : { maxPixels };
    let done = 0;
    try {
      for await (const image of untilAborted(images, signal)) {
        const name = `images[${done}]`;
        const prepared = await prepareImage(image, { ...decode, name }, this.binding);
        await this.native.observe([prepared], token);
        done += 1;
        onProgress?.(done);
      }
    } catch (error) {
      // What was measured so far is dropped: the next call begins anew.
      await this.native.calibration(method).catch(() => undefined);
      throw error;
    }
    if (done === 0) {
      throw new TorchdetError('ERR_INVALID_ARGUMENT', 'calibrate: there are no images.');
    }
    const calibration = await this.native.calibration(method);
    if (this.#precision === 'int8') {
      await this.calls.change(() => this.native.setPrecision('int8', calibration));
    }
    this.#calibration = calibration;
    return calibration;
  }

  /** The calibration, if the weights are still those it was measured with. Called from within a pending call. */
  async fitting(): Promise<Calibration | undefined> {
    const calibration = this.#calibration;
    return calibration && (await this.native.calibrationFits(calibration))
      ? calibration
      : undefined;
  }
}
