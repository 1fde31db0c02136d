import type { Batch } from '../data/loader';
import { checkCallback, checkSignal } from '../arguments';
import { RandomStream } from '../data/augment-random';
import type { Detector } from '../detector';
import { rejectUnknownOptions, TorchdetError } from '../errors';
import { checkTrains } from './check-arguments';
import type { Ema } from './ema';
import { type DetectorEvaluation, evaluateDetector } from './evaluate';
import type { Optimizer } from './optimizer';
import { Clock, Pace } from './pace';
import type { EpochFigures, StepRecord } from './records';
import { RunFiles } from './run-files';
import type { RunGroup } from './run-group';
import type { RunPosition } from './run-state';
import { meanOf, type Part } from './step-parts';
import { planTraining, type TrainerOptions, type TrainingPlan } from './trainer-options';

/** What {@link Trainer.run} tells after each step. */
export interface TrainingStep {
  /** From 0. */
  readonly epoch: number;
  /** Steps made with this one. */
  readonly step: number;
  /** Of all epochs. */
  readonly steps: number;
  /** By torchvision's names. */
  readonly losses: Readonly<Record<string, number>>;
  /** Their sum. */
  readonly total: number;
  readonly lr: number;
  readonly gradNorm: number | null;
  /** In training, over the last steps; evaluation not counted. */
  readonly imagesPerSecond: number;
  /** Estimated, evaluations included. */
  readonly secondsLeft: number;
  /** After the last step of an epoch: the mean of the total loss over its images, those before a resumption included. */
  readonly epochLoss?: number;
  /** After the last step of an epoch that is evaluated. */
  readonly evaluation?: EpochEvaluation;
}

/** How the model stands after an epoch. */
export interface EpochEvaluation extends DetectorEvaluation {
  readonly figures: EpochFigures;
  /** Whether it is the best so far: best.pt holds these weights. */
  readonly best: boolean;
}

/** Options of {@link Trainer.run}. */
export interface RunOptions {
  /** Ends the run after the step under way, with a checkpoint; the loop then rejects with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Told how far an evaluation is. */
  readonly onEvaluation?: ((done: number, total: number) => void) | undefined;
}

/** Tells the stream of steps from others with the same seed. */
const stepStream = 0x73746570;

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/**
 * Trains a detector on a data set and keeps a folder that the run can be taken up from at any moment:
 *
 * - `last.pt`, `best.pt`: detectors, for `Detector.load` and `torchdet detect --model`;
 * - `last.state.safetensors`: what going on exactly needs;
 * - `config.json`, `metrics.jsonl`, `report.html`.
 *
 * ```ts
 * const trainer = await Trainer.create({ detector, data, val, out: 'run', epochs: 20 });
 * for await (const { step, total } of trainer.run()) console.log(step, total);
 * ```
 *
 * What is drawn in a step depends on seed and step alone, so that a run that was killed and taken up again gives, on the same
 * machine with as many threads, the very weights of one that was not.
 */
export class Trainer implements AsyncDisposable {
  readonly detector: Detector;
  readonly #plan: TrainingPlan;
  readonly #files: RunFiles;
  readonly #optimizer: Optimizer;
  readonly #ema: Ema | undefined;
  readonly #position: Mutable<RunPosition>;
  readonly #clock = new Clock();
  readonly #pace = new Pace();
  #evaluationSeconds = 0;
  /** Whether the weights are those after a whole step that no checkpoint has. */
  #unsaved = false;
  #running = false;

  private constructor(
    detector: Detector,
    plan: TrainingPlan,
    files: RunFiles,
    parts: { optimizer: Optimizer; ema: Ema | undefined; position: RunPosition },
  ) {
    this.detector = detector;
    this.#plan = plan;
    this.#files = files;
    this.#optimizer = parts.optimizer;
    this.#ema = parts.ema;
    this.#position = { ...parts.position };
  }

  /**
   * Prepares a run, or takes one up again.
   *
   * @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE; ERR_INVALID_ARGUMENT where `out` holds a run already (or, with
   *   `resume`, one that was begun with other options), where a label is called otherwise in the data than in the detector, and
   *   where all is frozen; ERR_ARCHIVE_UNSUPPORTED; ERR_FILE; ERR_CHECKPOINT_FORMAT
   */
  static async create(options: TrainerOptions): Promise<Trainer> {
    const plan = planTraining(options);
    const { detector, out, resume = false, notes = {} } = options;
    await checkTrains('Trainer', detector);
    await plan.group.synchronize(detector);
    const optimizer = await detector.optimizer(plan.optimizer);
    const ema = plan.ema && (await detector.ema({ decay: plan.ema.decay }));
    let files: RunFiles | undefined;
    try {
      const context = { detector, plan, optimizer, ema };
      const begun = resume
        ? await RunFiles.resume(out, context)
        : await RunFiles.create(out, context, notes);
      ({ files } = begun);
      // All have read the checkpoint before the first one writes another.
      await plan.group.barrier();
      return new Trainer(detector, plan, files, { optimizer, ema, position: begun.position });
    } catch (error) {
      optimizer.dispose();
      ema?.dispose();
      await files?.close();
      throw error;
    }
  }

  get #group(): RunGroup {
    return this.#plan.group;
  }

  /** The run's folder. */
  get out(): string {
    return this.#files.folder.path;
  }

  /** Epochs, steps in each and in all. */
  get length(): TrainingPlan['length'] {
    return this.#plan.length;
  }

  /** Steps made so far. */
  get step(): number {
    return this.#position.step;
  }

  /** The epoch whose weights best.pt holds, from 0, and its figure; null before the first evaluation. */
  get best(): { readonly epoch: number; readonly figure: number } | null {
    return this.#position.best;
  }

  /** What ended the run: `epochs` where all are done, `early` where it got no better; null while there is something to do. */
  get ended(): 'epochs' | 'early' | null {
    return this.#position.ended;
  }

  /**
   * Trains, from where the run stands to its end. Leaving the loop writes a checkpoint, as aborting does.
   *
   * @throws TorchdetError ERR_LOSS_NOT_FINITE naming the images of the batch: the step was not made, and the last checkpoint stays
   *   as it was; ERR_TARGET, ERR_FILE and the errors of reading images; ERR_INVALID_ARGUMENT where all is frozen;
   *   ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE; the signal's reason, before any step where it was aborted already
   */
  async *run(options: RunOptions = {}): AsyncGenerator<TrainingStep, void, undefined> {
    rejectUnknownOptions('Trainer.run', options, ['signal', 'onEvaluation']);
    checkSignal('Trainer.run', options.signal);
    checkCallback('Trainer.run', 'onEvaluation', options.onEvaluation);
    if (this.#running) {
      throw new TorchdetError('ERR_INVALID_ARGUMENT', 'Trainer.run: it is running already.');
    }
    this.#running = true;
    this.#clock.start();
    try {
      await this.#group.agreeToGoOn(options.signal);
      // Parameters may have been frozen since the trainer was made.
      if (this.#position.ended === null) await checkTrains('Trainer.run', this.detector);
      // Of a step that an error cut short.
      await this.#optimizer.zeroGrad();
      while (this.#position.ended === null) yield* this.#epoch(options);
    } catch (error) {
      await this.#group.abandon(error);
      throw error;
    } finally {
      this.#running = false;
      if (this.#unsaved) await this.#save();
    }
  }

  /** What is left of the present epoch. */
  async *#epoch(options: RunOptions): AsyncGenerator<TrainingStep, void, undefined> {
    const { loader, accumulate } = this.#plan;
    const position = this.#position;
    let group: Batch[] = [];
    this.#pace.start();
    for await (const batch of loader.epoch(position.epoch, { from: position.batch })) {
      group.push(batch);
      const isLast = batch.index + 1 === loader.length;
      if (group.length < accumulate && !isLast) continue;
      const record = await this.#step(group, options.signal);
      group = [];
      if (isLast) break;
      yield this.#told(record);
      if (this.#clock.minutesSinceSave >= this.#plan.checkpointMinutes) await this.#save();
      this.#group.throwIfStopped(options.signal);
      this.#pace.start();
    }
    yield await this.#endEpoch(options);
    this.#group.throwIfStopped(options.signal);
  }

  /** One step of the optimizer, over some batches. */
  async #step(group: readonly Batch[], signal: AbortSignal | undefined): Promise<StepRecord> {
    const { schedule, optimizer } = this.#plan;
    const position = this.#position;
    const factor = schedule(position.step);
    await this.#optimizer.scaleLearningRates(factor);
    // From here to the end of the step the weights are between two states: not to be saved.
    this.#unsaved = false;
    const filled = group.filter(({ samples }) => samples.length > 0);
    const isMade = await this.#group.allHave(filled.length > 0);
    const own = isMade ? await this.#forwardAndBackward(filled) : [];
    const parts = await this.#group.joined(own, signal);
    await this.#updateEma();
    this.#unsaved = true;

    const images = parts.reduce((sum, part) => sum + part.images, 0);
    this.#pace.add(images);
    position.seconds = this.#clock.seconds(position.seconds);
    position.batch += group.length;
    position.step += 1;
    position.epochImages += images;
    position.epochLoss += parts.reduce((sum, part) => sum + part.total * part.images, 0);
    const record: StepRecord = {
      kind: 'step',
      epoch: position.epoch,
      step: position.step,
      ...meanOf(parts),
      lr: optimizer.lr * factor,
      gradNorm: parts.at(-1)?.gradNorm ?? null,
      images,
      seconds: position.seconds,
    };
    position.lastStep = record;
    await this.#files.append(record);
    return record;
  }

  async #forwardAndBackward(batches: readonly Batch[]): Promise<Part[]> {
    const { step, seed } = this.#plan;
    const { rank, processes } = this.#group;
    // A process alone and the first of several draw the same.
    const stream = rank === 0 ? [] : [rank];
    const parts: Part[] = [];
    for (const [index, { samples }] of batches.entries()) {
      const random = new RandomStream(seed, stepStream, this.#position.step, index, ...stream);
      const result = await this.detector
        .trainStep(samples, {
          ...step,
          optimizer: this.#optimizer,
          group: processes,
          seed: random.integer(2 ** 31),
          accumulate: index + 1 < batches.length,
          lossScale: 1 / batches.length,
        })
        .catch((error: unknown) => {
          throw this.#placed(error);
        });
      parts.push({ ...result, images: samples.length });
    }
    return parts;
  }

  /** Says where in the run an error came. */
  #placed(error: unknown): unknown {
    if (!(error instanceof TorchdetError)) return error;
    const { epoch, step } = this.#position;
    const advice =
      error.code === 'ERR_LOSS_NOT_FINITE'
        ? ' A smaller learning rate, a longer warm-up or clipNorm helps where training diverged; the last checkpoint is from before.'
        : '';
    const message = `Epoch ${epoch + 1}, step ${step + 1}: ${error.message}${advice}`;
    return new TorchdetError(error.code, message, { cause: error });
  }

  async #updateEma(): Promise<void> {
    if (!this.#ema) return;
    // While the rate warms up, the first weights would weigh too much in the average.
    if (this.#position.step < (this.#plan.ema?.restarts ?? 0)) await this.#ema.restart();
    await this.#ema.update();
  }

  async #endEpoch(options: RunOptions): Promise<TrainingStep> {
    const { epochs, evaluateEvery, val, earlyStopping } = this.#plan;
    const position = this.#position;
    const { lastStep, epoch, step } = position;
    if (!lastStep) throw new Error('an epoch has a step');
    const next = epoch + 1;
    const isDue = val !== undefined && (next % evaluateEvery === 0 || next === epochs);
    const evaluation = isDue ? await this.#evaluate(options) : undefined;
    position.seconds = this.#clock.seconds(position.seconds);
    const loss = position.epochLoss / Math.max(1, position.epochImages);
    await this.#files.append({
      kind: 'epoch',
      epoch,
      step,
      loss,
      seconds: position.seconds,
      ...(evaluation && { figures: evaluation.figures, best: evaluation.best }),
    });
    Object.assign(position, { epoch: next, batch: 0, epochImages: 0, epochLoss: 0 });
    if (next >= epochs) position.ended = 'epochs';
    else if (earlyStopping && position.sinceBest >= earlyStopping.patience) {
      position.ended = 'early';
    }
    await this.#save();
    await this.#files.writeReport();
    const told = { ...this.#told(lastStep), epochLoss: loss };
    return evaluation ? { ...told, evaluation } : told;
  }

  async #evaluate({ signal, onEvaluation }: RunOptions): Promise<EpochEvaluation> {
    const { val, kinds, bestBy, earlyStopping } = this.#plan;
    if (!val) throw new Error('there is something to evaluate on');
    const position = this.#position;
    const began = performance.now();
    const found = await this.#withAverages(async () => {
      const { data, indices } = val;
      // Norms that measure have seen other images in each process.
      await this.#group.synchronize(this.detector);
      const { processes } = this.#group;
      const options = { kinds, indices, signal, group: processes, onProgress: onEvaluation };
      const evaluated = await evaluateDetector(this.detector, data, options);
      const figures = figuresOf(evaluated);
      const figure = (figures.bbox ?? figures.segm ?? figures.keypoints)?.[bestBy] ?? -1;
      const least = position.best
        ? position.best.figure + (earlyStopping?.minDelta ?? 0)
        : -Infinity;
      const best = figure > least;
      if (best) {
        await this.#files.saveBest(this.detector, evaluated, data);
        position.best = { epoch: position.epoch, figure };
      }
      position.sinceBest = best ? 0 : position.sinceBest + 1;
      return { ...evaluated, figures, best };
    });
    this.#evaluationSeconds = (performance.now() - began) / 1000;
    return found;
  }

  /** Runs with the averaged weights in the detector, where there are any. */
  #withAverages<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#ema ? this.#ema.use(work) : work();
  }

  async #save(): Promise<void> {
    this.#position.seconds = this.#clock.seconds(this.#position.seconds);
    if (this.#group.isFirst) {
      await this.#withAverages(() => this.#files.saveLast(this.detector));
      await this.#files.saveState(this.#position, {
        model: await this.detector.stateDict(),
        optimizer: await this.#optimizer.stateDict(),
        ema: await this.#ema?.stateDict(),
      });
    }
    this.#unsaved = false;
    this.#clock.saved();
  }

  #told({ epoch, step, losses, total, lr, gradNorm }: StepRecord): TrainingStep {
    const { length, evaluateEvery, val } = this.#plan;
    const evaluations = val ? Math.ceil((length.epochs - this.#position.epoch) / evaluateEvery) : 0;
    const training = (length.steps - step) * this.#pace.secondsPerStep;
    return {
      epoch,
      step,
      steps: length.steps,
      losses,
      total,
      lr,
      gradNorm,
      imagesPerSecond: this.#pace.imagesPerSecond,
      secondsLeft: training + evaluations * this.#evaluationSeconds,
    };
  }

  /** Gives back what the run holds; the detector stays. Not while it runs. */
  async dispose(): Promise<void> {
    this.#optimizer.dispose();
    this.#ema?.dispose();
    await this.#files.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.dispose();
  }
}

function figuresOf({ evaluation: { bbox, segm, keypoints } }: DetectorEvaluation): EpochFigures {
  return {
    ...(bbox && { bbox: bbox.figures }),
    ...(segm && { segm: segm.figures }),
    ...(keypoints && { keypoints: keypoints.figures }),
  };
}
