import type { Binding, CancelToken, NativeDetector } from '../../binding';
import { abortable, type PendingCalls, type Turn } from '../detection/calls';
import { checkGroup, type ProcessGroup } from '../distributed/process-group';
import { checkFlag, checkSignal } from '../arguments';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { prepareImage } from '../images/input';
import { Optimizer } from './optimizer';
import { prepareTarget, type TrainingSample } from './targets';

/** Options of {@link Detector.losses}. */
export interface LossOptions {
  /** Seed of what is drawn: sizes of images, samples of anchors and proposals. Default: go on drawing from where it stands. */
  readonly seed?: number;
  /** Rejects with the signal's reason; queued work is dropped, running work ends at its next stage. */
  readonly signal?: AbortSignal;
  /** Images of more pixels are refused before they are decoded. Default 100 million. */
  readonly maxPixels?: number;
}

/** Options of {@link Detector.trainStep}. */
export interface TrainStepOptions extends LossOptions {
  /** What `detector.optimizer(...)` made, of the same detector. */
  readonly optimizer: Optimizer;
  /** All gradients together are scaled down to this norm where theirs is larger (torch.nn.utils.clip_grad_norm_). Positive; default: off. */
  readonly clipNorm?: number;
  /** Each number of the gradients is limited to this magnitude. Positive; default: off. */
  readonly clipValue?: number;
  /** true adds to the gradients and makes no step; the next step without it uses them all. Default false. */
  readonly accumulate?: boolean;
  /** The total is multiplied by this before the gradients are taken, for example 1 / 4 where four batches make one step. Positive; default 1. */
  readonly lossScale?: number;
  /**
   * Mixed precision: convolutions and matrix products compute in the lower type, weights stay float32. `bfloat16` on CUDA, and on
   * CPUs with instructions for it (AVX512-BF16, AMX); `float16` on CUDA alone, with loss scaling. Default `off`.
   */
  readonly amp?: 'off' | 'bfloat16' | 'float16';
  /**
   * The processes that train along, each with its part of the batch: the step is made of the mean of their gradients, so that all
   * keep the same weights. All make the same steps, with the same `accumulate`. A step that fails ends the group.
   */
  readonly group?: ProcessGroup | undefined;
}

/** What a training step found and did. */
export interface TrainStepResult {
  /** By torchvision's names, for example `loss_classifier`, `loss_box_reg`, `loss_objectness`, `loss_rpn_box_reg`. */
  readonly losses: Readonly<Record<string, number>>;
  /** Their sum. */
  readonly total: number;
  /** Norm of all gradients, before they were clipped; null where they were accumulated only. */
  readonly gradNorm: number | null;
  /** Whether the weights changed: not where gradients were accumulated, nor where they were not finite. */
  readonly stepped: boolean;
}

const LOSS_OPTIONS = ['seed', 'signal', 'maxPixels'] as const;
const STEP_OPTIONS = [
  ...LOSS_OPTIONS,
  'optimizer',
  'clipNorm',
  'clipValue',
  'accumulate',
  'lossScale',
  'amp',
  'group',
] as const;
const PRECISIONS = ['off', 'bfloat16', 'float16'] as const;

function checkSeed(where: string, seed: number | undefined): number | null {
  if (seed === undefined) return null;
  if (Number.isSafeInteger(seed) && seed >= 0) return seed;
  throw optionError(where, 'seed', seed, 'a non-negative integer');
}

function checkPositive(option: string, value: number | undefined): number | null {
  if (value === undefined) return null;
  if (typeof value === 'number' && value > 0 && value < Infinity) return value;
  throw optionError('trainStep', option, value, 'a positive number');
}

function checkBatch(where: string, batch: unknown): asserts batch is readonly TrainingSample[] {
  const given: readonly unknown[] = Array.isArray(batch) ? Array.from(batch as unknown[]) : [];
  const whole = given.every((sample) => typeof sample === 'object' && sample !== null);
  if (given.length > 0 && whole) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: pass an array of at least one { image, boxes, labels }.`,
  );
}

const nameOf = (sample: TrainingSample, i: number) => sample.name ?? `batch[${i}]`;

/** Says in the message which images these were, and what became of the step. */
function explained(error: unknown, batch: readonly TrainingSample[], step: boolean): unknown {
  if (!(error instanceof TorchdetError)) return error;
  const named = batch.some(({ name }) => name !== undefined);
  const list = batch.map((sample, i) => `${i}: ${nameOf(sample, i)}`).join(', ');
  if (error.code === 'ERR_LOSS_NOT_FINITE') {
    const outcome = step ? ', so no step was made' : '';
    const message = `Losses are not finite${outcome}: ${error.message}. Images of the batch: ${list}.`;
    return new TorchdetError(error.code, message, { cause: error });
  }
  const native = error.code === 'ERR_TARGET' || error.message.startsWith('images[');
  if (native && named && !(error.cause instanceof Error)) {
    const message = `${error.message.replace(/\.$/, '')}. Images of the batch: ${list}.`;
    return new TorchdetError(error.code, message, { cause: error });
  }
  return error;
}

/** The training calls of a detector. */
export class DetectorTraining {
  readonly #binding: Binding;
  readonly #native: NativeDetector;
  readonly #calls: PendingCalls;
  readonly #numClasses: number | undefined;
  readonly #device: string;

  constructor(
    binding: Binding,
    native: NativeDetector,
    calls: PendingCalls,
    numClasses: number | undefined,
    device: string,
  ) {
    this.#binding = binding;
    this.#native = native;
    this.#calls = calls;
    this.#numClasses = numClasses;
    this.#device = device;
  }

  async losses(
    batch: readonly TrainingSample[],
    options: LossOptions,
  ): Promise<Record<string, number>> {
    rejectUnknownOptions('losses', options, LOSS_OPTIONS);
    checkBatch('losses', batch);
    const seed = checkSeed('losses', options.seed);
    checkSignal('losses', options.signal);
    return this.#run(false, batch, options, (images, targets, token) =>
      this.#native.losses(images, targets, { seed }, token),
    );
  }

  async trainStep(
    batch: readonly TrainingSample[],
    options: TrainStepOptions,
  ): Promise<TrainStepResult> {
    rejectUnknownOptions('trainStep', options, STEP_OPTIONS);
    checkBatch('trainStep', batch);
    const { accumulate = false, lossScale = 1, amp = 'off' } = options;
    checkFlag('trainStep', 'accumulate', accumulate);
    checkSignal('trainStep', options.signal);
    // JavaScript callers may leave it out.
    const optimizer: unknown = options.optimizer;
    if (!(optimizer instanceof Optimizer)) {
      throw optionError('trainStep', 'optimizer', optimizer, 'what detector.optimizer() returns');
    }
    if (!PRECISIONS.includes(amp)) {
      throw optionError('trainStep', 'amp', amp, `one of ${PRECISIONS.join(', ')}`);
    }
    if (amp === 'float16' && this.#device === 'cpu') {
      throw optionError('trainStep', 'amp', amp, 'bfloat16 or off on the CPU');
    }
    const group = checkGroup('trainStep', options.group);
    const step = {
      seed: checkSeed('trainStep', options.seed),
      clipNorm: checkPositive('clipNorm', options.clipNorm),
      clipValue: checkPositive('clipValue', options.clipValue),
      lossScale: checkPositive('lossScale', lossScale) ?? 1,
      accumulate,
      amp,
      group: group?.native ?? null,
    };
    try {
      return await this.#run(true, batch, options, (images, targets, token) =>
        this.#native.trainStep(images, targets, optimizer.native, step, token),
      );
    } catch (error) {
      if (group) await this.#leaveAfter(error, group, options.signal);
      throw error;
    }
  }

  /** The others must not wait for a step that this process does not make. */
  async #leaveAfter(error: unknown, group: ProcessGroup, signal: AbortSignal | undefined) {
    const told = group.abandon(error instanceof Error ? error.message : String(error));
    // What was aborted may still run for a while.
    if (signal?.aborted) told.catch(() => undefined);
    else await told.catch(() => undefined);
  }

  async #run<Result>(
    /** Whether it changes the weights. */
    step: boolean,
    batch: readonly TrainingSample[],
    { signal, maxPixels }: LossOptions,
    call: (
      images: Awaited<ReturnType<typeof prepareImage>>[],
      targets: ReturnType<typeof prepareTarget>[],
      token: CancelToken,
    ) => Promise<Result>,
  ): Promise<Result> {
    const token = new this.#binding.CancelToken();
    const decode = maxPixels === undefined ? {} : { maxPixels };
    const work = async (turn: Turn) => {
      const images = await Promise.all(
        batch.map((sample, i) =>
          prepareImage(sample.image, { ...decode, name: nameOf(sample, i) }, this.#binding),
        ),
      );
      signal?.throwIfAborted();
      const targets = batch.map((sample, i) => {
        const image = images[i];
        if (!image) throw new Error('there is an image for each sample');
        return prepareTarget(sample, nameOf(sample, i), image, this.#numClasses, this.#binding);
      });
      await turn;
      return call(images, targets, token);
    };
    const cancel = () => {
      token.cancel();
    };
    try {
      return await abortable(signal, cancel, () =>
        step ? this.#calls.changeWithTurn(work) : this.#calls.runWithTurn(work),
      );
    } catch (error) {
      throw explained(error, batch, step);
    }
  }
}
