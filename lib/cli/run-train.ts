/** `torchdet train`: makes the run that the options ask for, and goes through it. */
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Writable } from 'node:stream';
import type { OnSampleError, SampleFailure } from '../data/loader';
import { describeProblem } from '../data/problems';
import { Detector } from '../detector';
import { ProcessGroup } from '../distributed';
import { placeInEnvironment } from '../distributed/environment';
import { ensureLibtorch } from '../runtime/ensure';
import { installReporter } from '../runtime/install-progress';
import type { OptimizerDescription } from '../training';
import { adamW, sgd } from '../training';
import { defaultRate } from '../training/recipe';
import { percent } from '../training/report/html';
import { RUN_FILES, readIfThere } from '../training/run-folder';
import { Trainer, type TrainingStep } from '../training/trainer';
import { isInterruption } from './interruptible';
import type { MessageStream } from './progress';
import { plural } from './run-data';
import { openTrainingImages, type TrainingImages } from './train-data';
import { checkArchiveOptions, createModel, isArchive, planModel } from './train-model';
import { PATH_OPTIONS, type TrainOptions } from './train-options';
import { TrainProgress } from './train-progress';
import { UsageError } from './usage-error';

/** Where messages go, and what ends the run early. */
export interface TrainContext {
  readonly stderr: MessageStream;
  readonly signal?: AbortSignal;
}

/** Options as a run's folder keeps them: paths that exist are made absolute. */
function kept(options: TrainOptions): TrainOptions {
  const paths = PATH_OPTIONS.flatMap((name) => {
    const value = options[name];
    return typeof value === 'string' && existsSync(value) ? [[name, resolve(value)] as const] : [];
  });
  return { ...options, ...Object.fromEntries(paths) };
}

/** The options that a run was begun with, and over them those that were given now. */
export async function resumedOptions(
  options: TrainOptions,
  isGiven: (name: string) => boolean,
): Promise<TrainOptions> {
  const file = join(options.out, RUN_FILES.config);
  const text = await readIfThere(file);
  const config = text === undefined ? {} : (JSON.parse(text) as { command?: TrainOptions });
  if (!config.command) {
    throw new UsageError(
      `--resume: ${options.out} holds no run of torchdet train (${text === undefined ? `there is no ${file}` : `${file} has no "command"`}).`,
    );
  }
  const given = Object.entries(options).filter(([name]) => isGiven(name));
  return { ...config.command, ...Object.fromEntries(given) };
}

/** The processes that `torchdet launch` or torchrun started; undefined where this one is alone. */
async function joinGroup(
  { device }: TrainOptions,
  signal: AbortSignal | undefined,
): Promise<ProcessGroup | undefined> {
  if (!placeInEnvironment(process.env)) return undefined;
  await ensureLibtorch(signal ? { signal } : {});
  return ProcessGroup.join({ device, signal });
}

function optimizerOf(
  options: TrainOptions,
  detector: Detector,
  processes: number,
): OptimizerDescription {
  const { momentum, weightDecay, normWeightDecay, backboneLr, batchSize, accumulate } = options;
  const isSgd = options.optimizer === 'sgd';
  const usual = isSgd ? defaultRate(detector.facts, batchSize * accumulate * processes) : 1e-4;
  const groups = backboneLr === undefined ? [] : [{ prefixes: 'backbone', lr: backboneLr }];
  const common = {
    lr: options.lr ?? usual,
    ...(normWeightDecay !== undefined && { normWeightDecay }),
    groups,
  };
  return isSgd
    ? sgd({ ...common, momentum, weightDecay: weightDecay ?? 5e-4 })
    : adamW({ ...common, weightDecay: weightDecay ?? 0.05 });
}

/** The detector to begin with, or the one that the run's folder has. */
async function openModel(
  options: TrainOptions,
  { signal, stderr }: TrainContext,
): Promise<{ detector: Detector; images: TrainingImages }> {
  const say = (line: string) => {
    stderr.write(`${line}\n`);
  };
  const opening = { ...(signal && { signal }), say };
  const { model, resume, device, seed } = options;
  const archive = resume ? join(options.out, RUN_FILES.last) : isArchive(model) ? model : undefined;
  if (archive !== undefined) {
    // A run that goes on still has the options that its model was made with.
    if (!resume) checkArchiveOptions(archive, options);
    await ensureLibtorch(signal ? { signal } : {});
    const detector = await Detector.load(archive, { device });
    try {
      if (!resume && options.classes !== undefined && detector.categories) {
        throw new UsageError(
          `--model ${archive} is an archive and has its classes (${detector.categories.slice(1).join(', ')}): leave out --classes.`,
        );
      }
      return { detector, images: await openTrainingImages(options, detector.categories, opening) };
    } catch (error) {
      await detector.dispose();
      throw error;
    }
  }
  const images = await openTrainingImages(options, undefined, opening);
  const { names } = images.data;
  const plan = planModel(options, images.data);
  if (plan.weights === undefined && plan.backboneWeights === undefined) {
    say(
      'No weights to begin with: training from scratch takes far longer (--weights or --backbone-weights give some).',
    );
  }
  await ensureLibtorch(signal ? { signal } : {});
  const reporter = installReporter();
  try {
    const detector = await createModel(plan, {
      categories: names,
      device,
      seed,
      ...(signal && { signal }),
      onProgress: (done, total) => {
        reporter.onProgress({ stage: 'download', done, total });
      },
      onMessage: reporter.log,
    });
    return { detector, images };
  } finally {
    reporter.finish();
  }
}

/** Says which images cannot be read, once each, and goes on. */
function skipper(say: (line: string) => void): OnSampleError {
  const told = new Set<number>();
  return ({ index, error }: SampleFailure) => {
    if (!told.has(index)) {
      say(`skipped: ${error instanceof Error ? error.message : String(error)}`);
    }
    told.add(index);
    return 'skip';
  };
}

function tellProblems({ data }: TrainingImages, say: (line: string) => void): void {
  const { problems } = data;
  const first = problems[0];
  if (!first) return;
  say(
    `${plural(problems.length, 'problem')} in the data set, as torchdet data check tells; the first: ${describeProblem(first)}`,
  );
}

function createTrainer(
  options: TrainOptions,
  detector: Detector,
  images: TrainingImages,
  { group, say }: { group: ProcessGroup | undefined; say: (line: string) => void },
): Promise<Trainer> {
  const { schedule, milestones, gamma, warmup, patience, cache } = options;
  const { epochs, batchSize, accumulate, seed, amp, clipNorm, evalEvery, bestBy } = options;
  return Trainer.create({
    detector,
    ...images,
    out: options.out,
    resume: options.resume ?? false,
    epochs,
    batchSize,
    accumulate,
    group,
    optimizer: optimizerOf(options, detector, group?.worldSize ?? 1),
    schedule: {
      kind: schedule === 'multistep' ? 'multiStep' : schedule,
      gamma,
      ...(milestones && { milestones }),
      ...(warmup !== undefined && { warmupSteps: warmup }),
    },
    augmentation: options.augment,
    seed,
    ema: options.ema ?? false,
    amp,
    clipNorm: clipNorm === 0 ? undefined : clipNorm,
    earlyStopping: patience === undefined ? undefined : { patience },
    evaluateEvery: evalEvery,
    bestBy,
    checkpointMinutes: options.checkpointMinutes,
    workers: options.workers,
    cacheBytes: cache * 2 ** 20,
    onError: options.skipBadImages ? skipper(say) : 'throw',
    notes: { command: kept(options) },
  });
}

/** The last lines: where the results are, and what to do with them. */
function summary(
  trainer: Trainer,
  figure: TrainOptions['bestBy'],
  last: TrainingStep | undefined,
): string {
  const { best, ended, out } = trainer;
  const lines = [
    ended === 'early'
      ? 'Ended early: it got no better.'
      : last
        ? 'Done.'
        : 'There was nothing left to do.',
  ];
  if (best) {
    lines.push(`Best: epoch ${best.epoch + 1}, ${figure.toUpperCase()} ${percent(best.figure)}.`);
  }
  const model = join(out, best ? RUN_FILES.best : RUN_FILES.last);
  lines.push(
    `${join(out, RUN_FILES.report)} shows how it went; torchdet detect PHOTO --model ${model} --out drawn/ uses it.`,
  );
  return `${lines.join('\n')}\n`;
}

/** @throws UsageError where `--out` does not fit `--resume` */
function checkFolder({ out, resume }: TrainOptions): void {
  const state = join(out, RUN_FILES.state);
  if (resume ? existsSync(state) : !existsSync(state)) return;
  throw new UsageError(
    resume
      ? `--resume: there is no ${state} to go on from.`
      : `${out} holds a training run already: --resume goes on with it, another --out begins a new one.`,
  );
}

/** Of several processes the first one talks. */
const silent: MessageStream = new Writable({
  write: (_chunk, _encoding, done) => {
    done();
  },
});

/**
 * Trains.
 *
 * @returns the exit code
 * @throws UsageError, TorchdetError; the signal's reason, after a checkpoint was written
 */
export async function train(options: TrainOptions, context: TrainContext): Promise<number> {
  const group = await joinGroup(options, context.signal);
  if (!group) {
    checkFolder(options);
    await trainIn(undefined, options, context);
    return 0;
  }
  try {
    if (group.isFirst) checkFolder(options);
    await trainIn(group, options, context);
    await group.leave();
    return 0;
  } catch (error) {
    await group.abandon(error instanceof Error ? error.message : String(error));
    throw error;
  }
}

async function trainIn(
  group: ProcessGroup | undefined,
  options: TrainOptions,
  context: TrainContext,
): Promise<void> {
  const { signal } = context;
  const stderr = group?.isFirst === false ? silent : context.stderr;
  const device = group?.device ?? options.device;
  const { detector, images } = await openModel({ ...options, device }, { ...context, stderr });
  try {
    tellProblems(images, (line) => {
      stderr.write(`${line}\n`);
    });
    const say = (line: string) => {
      context.stderr.write(`${line}\n`);
    };
    const trainer = await createTrainer(options, detector, images, { group, say });
    try {
      const last = await goThrough(trainer, images, { stderr, ...(signal && { signal }) });
      stderr.write(summary(trainer, options.bestBy, last));
    } finally {
      await trainer.dispose();
    }
  } finally {
    await detector.dispose();
  }
}

async function goThrough(
  trainer: Trainer,
  { data, indices, val }: TrainingImages,
  { stderr, signal }: TrainContext,
): Promise<TrainingStep | undefined> {
  const { epochs, stepsPerEpoch } = trainer.length;
  const validation = val && ('indices' in val ? val.indices.length : val.length);
  const parts = [
    plural(indices?.length ?? data.length, 'image'),
    ...(validation ? [`${validation} for validation`] : []),
    plural(data.names.length - 1, 'class', 'classes'),
    `${plural(epochs, 'epoch')} of ${plural(stepsPerEpoch, 'step')}`,
    ...(trainer.step > 0 ? [`going on after step ${trainer.step}`] : []),
  ];
  const { name, device } = trainer.detector;
  stderr.write(`${name} on ${device}: ${parts.join(', ')}\n`);
  const progress = new TrainProgress(stderr, { epochs, stepsPerEpoch });
  let last: TrainingStep | undefined;
  try {
    for await (const step of trainer.run({ signal, onEvaluation: progress.onEvaluation })) {
      progress.step(step);
      last = step;
    }
  } catch (error) {
    progress.stop();
    if (isInterruption(error, signal)) {
      stderr.write(`Stopped after step ${trainer.step}; --resume goes on from there.\n`);
    }
    throw error;
  } finally {
    progress.stop();
  }
  return last;
}
