import type { Binding, NativeDetector, NativeModule } from '../binding';
import { BatchQueue } from './detection/batch-queue';
import { batchPlace } from './detection/batches';
import { abortable, PendingCalls, type Turn } from './detection/calls';
import type { DetectorFacts } from './detection/description';
import { compileDetector, type MadeDetector, openArchive } from './detection/making';
import { describeByName } from './detection/opening';
import {
  type CalibrateOptions,
  type Calibration,
  DetectorPrecision,
  type Precision,
} from './detection/precision';
import { DetectionResult } from './detection/result';
import { Stages } from './detection/stages';
import { checkSaveOptions, saveDetector, type SaveOptions } from './detection/saving';
import { loadState } from './detection/state';
import {
  builderOptions,
  CREATE_OPTIONS,
  type CreateOptions,
  DEVICE_OPTIONS,
  type DeviceOptions,
  PREDICT_OPTIONS,
  type PredictOptions,
} from './detector-options';
import type { CollectiveOptions, ProcessGroup } from './distributed';
import { onCallersStack } from './engine';
import { checkFlag, checkSignal } from './arguments';
import { optionError, rejectUnknownOptions, TorchdetError } from './errors';
import { type ImageInput, prepareImage } from './images/input';
import type { AnyName, NamedOptions } from './models';
import type { DetectorSpec } from './models/detector-spec';
import { DEFAULT_WEIGHTS } from './runtime/addons';
import { Tensor } from './tensor';
import {
  DetectorTraining,
  type LossOptions,
  type TrainStepOptions,
  type TrainStepResult,
} from './training/detector-training';
import { Ema, type EmaOptions } from './training/ema';
import { Optimizer } from './training/optimizer';
import type { OptimizerDescription } from './training/optimizer-options';
import { setTrainable } from './training/trainable';
import type { TrainingSample } from './training/targets';

/**
 * An object detector: a network in LibTorch and the detection code around it. Calls for one device run one after the other on
 * that device's own thread; the event loop stays free.
 */
export class Detector implements AsyncDisposable {
  /** Names by label, the background at 0; undefined where nobody gave any. */
  readonly categories: readonly string[] | undefined;
  /** `cpu` or `cuda:<index>`. */
  readonly device: string;
  /** The model's name. */
  readonly name: string;
  /** Single stages; those that the detector has not reject, as all do for archives that run through their own forward. */
  readonly stages: Stages;
  readonly #binding: Binding;
  readonly #module: NativeModule;
  readonly #native: NativeDetector;
  /** @internal What the module itself does not hold. */
  facts: DetectorFacts;
  readonly #calls = new PendingCalls();
  readonly #training: DetectorTraining;
  readonly #precision: DetectorPrecision;
  readonly #batches: BatchQueue;

  private constructor(
    module: NativeModule,
    facts: DetectorFacts,
    binding: Binding,
    shareBatches: boolean,
  ) {
    this.#binding = binding;
    this.#module = module;
    this.#native = new binding.Detector(module, facts.config);
    this.facts = facts;
    this.#training = new DetectorTraining(
      binding,
      this.#native,
      this.#calls,
      facts.numClasses,
      module.device,
    );
    this.#precision = new DetectorPrecision(
      binding,
      this.#native,
      this.#calls,
      module.device,
      facts.config.kind === 'forward',
      facts.calibration,
    );
    this.#batches = new BatchQueue({
      detect: (images, options, token) => this.#native.predict(images, options, token),
      cancelToken: () => new binding.CancelToken(),
      place: (image) => batchPlace(image, facts.config, module.device),
      shared: shareBatches,
    });
    this.name = facts.name;
    this.device = module.device;
    this.categories = facts.categories;
    this.stages = new Stages(this.#native, binding);
  }

  /**
   * Compiles a described detector, or one of torchvision's by name, and loads weights if any are given. Without weights it is
   * initialised as torchvision would, from `seed`.
   *
   * @param model what a builder such as `fasterRcnn` returned, or a name that `listModels()` knows
   * @param options for a name, also the options of its builder, for example `numClasses` (the background counts)
   * @throws TorchdetError ERR_MODEL_UNKNOWN, ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE, ERR_COMPILE, ERR_STATE_DICT,
   *   ERR_DEVICE, ERR_LIBTORCH_NOT_FOUND, and those of reading or downloading weights
   */
  static async create<Model extends DetectorSpec | AnyName>(
    model: Model,
    options?: CreateOptions & (Model extends AnyName ? NamedOptions<Model> : object),
  ): Promise<Detector>;
  static async create(
    model: DetectorSpec | string,
    options: CreateOptions = {},
  ): Promise<Detector> {
    const caller = new Error();
    const spec =
      typeof model === 'string' ? describeByName(model, options, builderOptions(options)) : model;
    if (typeof model !== 'string') rejectUnknownOptions('Detector.create', options, CREATE_OPTIONS);
    const made = compileDetector(spec, options);
    return onCallersStack(Detector.#start('Detector.create', made, options), caller);
  }

  static async #start(
    where: string,
    made: Promise<MadeDetector>,
    options: DeviceOptions,
  ): Promise<Detector> {
    const { module, facts, binding } = await made;
    const onGpu = module.device !== 'cpu';
    const { shareBatches = onGpu, cudaGraphs = false } = options;
    const detector = new Detector(module, facts, binding, shareBatches);
    try {
      if (onGpu && cudaGraphs) await detector.#native.setRunning({ padded: true, replays: true });
      await detector.#precision.start(where, options);
      return detector;
    } catch (error) {
      await detector.dispose();
      throw error;
    }
  }

  /**
   * Opens a `.pt` archive: one that torchdet saved, or a torchvision detector that Python scripted (`torch.jit.script`). Those
   * of Faster R-CNN's structure run through torchdet's detection code, others through their own forward.
   *
   * @throws TorchdetError ERR_FILE, ERR_ARCHIVE_FORMAT, ERR_ARCHIVE_UNSUPPORTED, ERR_DEVICE, ERR_LIBTORCH_NOT_FOUND
   */
  static async load(path: string, options: DeviceOptions = {}): Promise<Detector> {
    const caller = new Error();
    rejectUnknownOptions('Detector.load', options, DEVICE_OPTIONS);
    const made = openArchive(path, options);
    return onCallersStack(Detector.#start('Detector.load', made, options), caller);
  }

  /**
   * The detector that ships with the package: it finds people, vehicles, animals, bottles and chairs, 13 classes, and needs no
   * download. See assets/MODEL_CARD.md.
   */
  static async default(options: DeviceOptions = {}): Promise<Detector> {
    rejectUnknownOptions('Detector.default', options, DEVICE_OPTIONS);
    return Detector.create('small', { ...options, weights: DEFAULT_WEIGHTS });
  }

  /**
   * Detects in a batch of images. They may differ in size and kind; each gets its own result, in order. All see the weights and the
   * precision of the moment of the call: what is called later and changes them waits for it, and the other way round.
   *
   * @param images encoded files (Buffer), raw pixels, CHW floats or tensors: see {@link ImageInput}
   * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_IMAGE_FORMAT, ERR_IMAGE_CORRUPT, ERR_IMAGE_TOO_LARGE (all naming the
   *   image), ERR_NOT_FINITE where the image, the weights or what the network put out hold NaN or infinities, ERR_OPTION_VALUE,
   *   ERR_DISPOSED, ERR_OUT_OF_MEMORY; the signal's reason where it was aborted
   */
  async predict(
    images: readonly ImageInput[],
    options: PredictOptions = {},
  ): Promise<DetectionResult[]> {
    const caller = new Error();
    rejectUnknownOptions('predict', options, PREDICT_OPTIONS);
    if (!Array.isArray(images)) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        'predict: pass an array of images, for one image predict([image]).',
      );
    }
    const { scoreThreshold = 0, exact = false, padded = exact, maxPixels, signal } = options;
    if (typeof scoreThreshold !== 'number' || !(scoreThreshold >= 0 && scoreThreshold <= 1)) {
      throw optionError('predict', 'scoreThreshold', scoreThreshold, 'a number from 0 to 1');
    }
    checkFlag('predict', 'exact', exact);
    checkFlag('predict', 'padded', padded);
    checkSignal('predict', signal);
    const work = async (turn: Turn) => {
      const decode = maxPixels === undefined ? {} : { maxPixels };
      // Array.from() also sees the holes of a list.
      const prepared = await Promise.all(
        Array.from(images as readonly ImageInput[], (image, i) =>
          prepareImage(image, { ...decode, name: `images[${i}]` }, this.#binding),
        ),
      );
      await turn;
      return this.#batches.detect(prepared, { scoreThreshold, exact, padded }, signal);
    };
    // The call under way is the work, not its abortable shell: dispose() must wait for what still runs.
    const call = abortable(signal, undefined, () => this.#calls.runWithTurn(work));
    const results = await onCallersStack(call, caller);
    const names = { categories: this.categories, keypoints: this.facts.keypointNames };
    return results.map((result) => new DetectionResult(result, names));
  }

  /** In what numbers predict() computes where it is not exact. */
  get precision(): Precision {
    return this.#precision.precision;
  }

  /** What calibrate() measured, or the archive held; undefined where there is none. */
  get calibration(): Calibration | undefined {
    return this.#precision.calibration;
  }

  /**
   * Chooses the numbers of predict() from the next call on. Memory for the other form of the network is given back.
   *
   * @param calibration for `int8`; default: {@link Detector.calibration}
   * @throws TorchdetError ERR_CALIBRATION for `int8` without a calibration, or with one of other weights; ERR_PRECISION where the CPU
   *   or device cannot; ERR_ARCHIVE_UNSUPPORTED for archives that run through their own forward; ERR_OPTION_VALUE, ERR_DISPOSED
   */
  async setPrecision(precision: Precision, calibration?: Calibration): Promise<void> {
    const caller = new Error();
    await onCallersStack(this.#precision.set('setPrecision', precision, calibration), caller);
  }

  /**
   * Measures the range of activations that int8 needs, on images like those that will come: some dozens, not those it is evaluated on.
   * The precision stays what it is: setPrecision('int8') comes next. A calibration belongs to the weights: once they change, int8
   * rejects until it is made again, and save() leaves it out.
   *
   * @returns what {@link Detector.calibration} is from now on
   * @throws TorchdetError ERR_INVALID_ARGUMENT where there are no images, ERR_CALIBRATION where weights change meanwhile, and those of
   *   {@link Detector.predict}; the signal's reason
   */
  async calibrate(
    images: Iterable<ImageInput> | AsyncIterable<ImageInput>,
    options: CalibrateOptions = {},
  ): Promise<Calibration> {
    const caller = new Error();
    return onCallersStack(this.#precision.calibrate(images, options), caller);
  }

  /**
   * The losses of a batch as in training, by torchvision's names; nothing of the detector changes.
   *
   * @throws TorchdetError as {@link Detector.trainStep}, but for losses that are not finite: those are returned, unless there can be
   *   none, as a two-stage detector finds no proposals in numbers that are not finite
   */
  async losses(
    batch: readonly TrainingSample[],
    options: LossOptions = {},
  ): Promise<Record<string, number>> {
    const caller = new Error();
    return onCallersStack(this.#training.losses(batch, options), caller);
  }

  /**
   * One step of training: forward, losses, gradients, and the optimizer's step. Everything drawn is drawn as torchvision does,
   * so that a seeded run gives its losses and weights. The next predict() sees the new weights.
   *
   * @throws TorchdetError ERR_TARGET naming image and box (no positive sides, a label the model has not, masks or keypoints
   *   missing), ERR_LOSS_NOT_FINITE naming the images: no step was made then; ERR_ARCHIVE_UNSUPPORTED for archives that run through
   *   their own forward; and those of {@link Detector.predict}
   */
  async trainStep(
    batch: readonly TrainingSample[],
    options: TrainStepOptions,
  ): Promise<TrainStepResult> {
    const caller = new Error();
    return onCallersStack(this.#training.trainStep(batch, options), caller);
  }

  /**
   * An optimizer of this detector's parameters, for {@link Detector.trainStep}. Frozen ones are in it too, but only move once they
   * are unfrozen.
   *
   * @param description what `sgd` or `adamW` returns
   * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE where a group's prefix fits no parameter, ERR_DISPOSED
   */
  async optimizer(description: OptimizerDescription): Promise<Optimizer> {
    const caller = new Error();
    const create = () => Optimizer.create(this.#binding, this.#module, description);
    return onCallersStack(this.#calls.run(create), caller);
  }

  /**
   * Averages of this detector's weights over steps to come; see {@link Ema}.
   *
   * @throws TorchdetError ERR_OPTION_VALUE, ERR_DISPOSED
   */
  async ema(options: EmaOptions): Promise<Ema> {
    const caller = new Error();
    const create = () => Ema.create(this.#binding, this.#module, options, this.#calls);
    return onCallersStack(this.#calls.run(create), caller);
  }

  /**
   * Parameters and buffers become those of rank 0 in all processes of the group: before the first step, and before evaluating where
   * norms measure means and variances, which differ.
   *
   * @throws TorchdetError ERR_PROCESS_GROUP where the processes have different models, ERR_PEER_LOST, ERR_INVALID_ARGUMENT where the
   *   group was joined for another device, ERR_DISPOSED
   */
  async synchronize(group: ProcessGroup, options: CollectiveOptions = {}): Promise<void> {
    const caller = new Error();
    const copy = () => group.synchronize(this.#module, options);
    await onCallersStack(this.#calls.change(copy), caller);
  }

  /**
   * Leaves parameters as they are in training: torch's `requires_grad_(false)`. As in torchvision, a BatchNorm among them goes on
   * measuring means and variances; frozen norms, those of pretrained ResNets, do not.
   *
   * @param prefixes beginnings of parameter names, up to a dot: `backbone`, `['backbone.body.conv1', 'backbone.body.layer1']`
   * @throws TorchdetError ERR_OPTION_VALUE where one fits no parameter (nothing is changed then), ERR_DISPOSED
   */
  async freeze(prefixes: string | readonly string[]): Promise<void> {
    await this.#setTrainable('freeze', prefixes, false);
  }

  /**
   * Lets parameters train, those that the model's builder froze included.
   *
   * @throws TorchdetError as {@link Detector.freeze}
   */
  async unfreeze(prefixes: string | readonly string[]): Promise<void> {
    await this.#setTrainable('unfreeze', prefixes, true);
  }

  async #setTrainable(where: string, prefixes: string | readonly string[], trainable: boolean) {
    const caller = new Error();
    const set = () => setTrainable(this.#module, where, prefixes, trainable);
    const frozen = await onCallersStack(this.#calls.change(set), caller);
    this.facts = { ...this.facts, frozen };
  }

  /**
   * Parameters and buffers under torchvision's names, in its order. On the CPU the tensors are the model's own memory: read them, or
   * copy them. What is written there reaches predict() only when it is given to {@link Detector.loadStateDict} too.
   *
   * @throws TorchdetError ERR_DISPOSED
   */
  async stateDict(): Promise<Record<string, Tensor>> {
    const state = await this.#calls.run(() => this.#module.stateDict());
    return Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => [name, new Tensor(tensor)]),
    );
  }

  /**
   * Copies values in. Strict: every parameter and buffer must be there and fit.
   *
   * @param state tensors by name, or a `.pth` or `.safetensors` file's path
   * @throws TorchdetError ERR_STATE_DICT listing what is missing, unexpected or of another shape; nothing is changed then
   */
  async loadStateDict(state: Readonly<Record<string, Tensor>> | string): Promise<void> {
    const caller = new Error();
    const load = () => loadState(this.#module, this.#binding, this.name, state);
    await onCallersStack(this.#calls.change(load), caller);
  }

  /** Names of the parameters that train, in torchvision's order. */
  async trainableParameters(): Promise<string[]> {
    const entries = await this.#calls.run(() => this.#module.names());
    return entries.filter(({ requiresGrad }) => requiresGrad).map(({ name }) => name);
  }

  /**
   * Writes the detector as a `.pt` archive with its description: Detector.load reads it, and so does Python's torch.jit.load. Where
   * the name ends in `.safetensors`, its state dict alone, for Detector.create's `weights`. The file appears whole or not at all.
   *
   * @throws TorchdetError ERR_FILE where it cannot be written, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN, ERR_DISPOSED;
   *   ERR_INVALID_ARGUMENT for numbers that half precision cannot hold
   */
  async save(path: string, options: SaveOptions = {}): Promise<void> {
    const caller = new Error();
    checkSaveOptions(path, options);
    const save = async () => {
      const facts = { ...this.facts, calibration: await this.#precision.fitting() };
      await saveDetector(path, this.#module, facts, options);
    };
    await onCallersStack(this.#calls.run(save), caller);
  }

  /**
   * Waits for work under way, then gives back the model's memory and what predict() kept for its next call, which
   * otherwise goes after 30 seconds without work. Later calls reject with ERR_DISPOSED.
   */
  async dispose(): Promise<void> {
    if (!(await this.#calls.close())) return;
    // First, so that nothing holds the weights when memory is given back.
    this.#module.dispose();
    await this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}
