/** What a run writes while it trains, and reads when it is taken up again. */
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Dataset } from '../data/dataset';
import type { Detector } from '../detector';
import { TorchdetError } from '../errors';
import type { Ema } from './ema';
import type { DetectorEvaluation } from './evaluate';
import type { Optimizer } from './optimizer';
import type { MetricsRecord } from './records';
import { evaluationDetails } from './report/details';
import { reportOfRun } from './report/run-report';
import { JsonLines, readIfThere, RUN_FILES, RunFolder, writeWhole } from './run-folder';
import { readRunState, type RunPosition, type RunState, writeRunState } from './run-state';
import type { TrainingPlan } from './trainer-options';

/** What a run is made of. */
interface RunParts {
  readonly detector: Detector;
  readonly plan: TrainingPlan;
  readonly optimizer: Optimizer;
  readonly ema: Ema | undefined;
}

type Described = Readonly<Record<string, unknown>>;

/** What may not change when a run is taken up again. */
const fixedKeys = [
  'batchSize',
  'processes',
  'accumulate',
  'seed',
  'augmentation',
  'optimizer',
  'amp',
  'clipNorm',
  'clipValue',
] as const;

function imagesOf(described: Described, what: 'data' | 'val'): unknown {
  return (described[what] as { fingerprint?: string } | null | undefined)?.fingerprint ?? 'none';
}

/** @throws TorchdetError ERR_INVALID_ARGUMENT naming what differs */
function checkSamePlan(where: string, before: Described, now: Described): void {
  const shown = (value: unknown) => JSON.stringify(value ?? null);
  const differences = fixedKeys
    .filter((key) => shown(before[key]) !== shown(now[key]))
    .map((key) => `${key} was ${shown(before[key])}, is ${shown(now[key])}`);
  if ((before.ema === false) !== (now.ema === false)) {
    differences.push(`ema was ${shown(before.ema)}, is ${shown(now.ema)}`);
  }
  for (const what of ['data', 'val'] as const) {
    if (imagesOf(before, what) !== imagesOf(now, what)) {
      differences.push(
        `${what === 'data' ? 'the images to train on' : 'the validation images'} are others`,
      );
    }
  }
  if (differences.length === 0) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where} holds a run that was begun otherwise: ${differences.join('; ')}. It can go on only as it began (epochs and schedule may change).`,
  );
}

const start: Omit<RunPosition, 'plan'> = {
  version: 1,
  epoch: 0,
  batch: 0,
  step: 0,
  seconds: 0,
  metricsBytes: 0,
  epochImages: 0,
  epochLoss: 0,
  lastStep: null,
  best: null,
  sinceBest: 0,
  ended: null,
};

/** config.json */
async function writeConfig(folder: RunFolder, { detector, plan }: RunParts, notes: Described) {
  const { name, facts } = detector;
  const { numClasses, categories, description } = facts;
  const config = {
    format: 'torchdet-run',
    version: 1,
    model: { name, numClasses, categories, description },
    training: plan.described,
    ...notes,
  };
  await writeWhole(folder.file('config'), `${JSON.stringify(config, null, 2)}\n`);
}

/** The notes in a config.json that is there. */
async function readNotes(folder: RunFolder): Promise<Described> {
  const text = await readIfThere(folder.file('config'));
  const config = JSON.parse(text ?? '{}') as Record<string, unknown>;
  const own = ['format', 'version', 'model', 'training'];
  return Object.fromEntries(Object.entries(config).filter(([key]) => !own.includes(key)));
}

/** Files that a killed process did not come to rename. */
async function removeParts(folder: RunFolder): Promise<void> {
  const names: readonly string[] = Object.values(RUN_FILES);
  for (const file of await readdir(folder.path)) {
    const isPart = file.endsWith('.part') && names.some((name) => file.startsWith(`${name}.`));
    if (isPart) await rm(join(folder.path, file), { force: true });
  }
}

/** The files of one run. */
export class RunFiles {
  readonly folder: RunFolder;
  /** undefined in processes that leave writing to another. */
  readonly #lines: JsonLines | undefined;

  private constructor(folder: RunFolder, lines: JsonLines | undefined) {
    this.folder = folder;
    this.#lines = lines;
  }

  /** @throws TorchdetError ERR_INVALID_ARGUMENT where there is a run already; ERR_FILE */
  static async create(
    path: string,
    parts: RunParts,
    notes: Described,
  ): Promise<{ files: RunFiles; position: RunPosition }> {
    const folder = new RunFolder(path);
    const position = { ...start, plan: parts.plan.described };
    if (!parts.plan.group.isFirst) return { files: new RunFiles(folder, undefined), position };
    if (await folder.has('state')) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `${path} holds a training run already: go on with it (resume), or name another folder.`,
      );
    }
    await folder.create();
    await writeConfig(folder, parts, notes);
    const files = new RunFiles(folder, await JsonLines.open(folder.file('metrics'), 0));
    try {
      // From here on there is something to go on with.
      await files.saveLast(parts.detector);
      await files.saveState(position, {
        model: await parts.detector.stateDict(),
        optimizer: await parts.optimizer.stateDict(),
        ema: await parts.ema?.stateDict(),
      });
    } catch (error) {
      await files.close();
      throw error;
    }
    return { files, position };
  }

  /** Puts everything back as the last checkpoint has it. */
  static async resume(
    path: string,
    parts: RunParts,
  ): Promise<{ files: RunFiles; position: RunPosition }> {
    const folder = new RunFolder(path);
    if (!(await folder.has('state'))) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `${path} holds no training run to go on with: there is no ${RUN_FILES.state} in it.`,
      );
    }
    const { detector, plan, optimizer, ema } = parts;
    const state = await readRunState(folder.file('state'));
    checkSamePlan(path, state.position.plan, plan.described);
    await detector.loadStateDict(state.model);
    await optimizer.loadStateDict(state.optimizer);
    if (state.ema) await ema?.loadStateDict(state.ema);
    const { metricsBytes, ended, epoch } = state.position;
    let lines: JsonLines | undefined;
    if (plan.group.isFirst) {
      await removeParts(folder);
      await writeConfig(folder, parts, await readNotes(folder));
      lines = await JsonLines.open(folder.file('metrics'), metricsBytes);
    }
    const isDone = epoch >= plan.epochs ? 'epochs' : null;
    const position: RunPosition = {
      ...state.position,
      plan: plan.described,
      ended: ended === 'early' ? ended : isDone,
    };
    return { files: new RunFiles(folder, lines), position };
  }

  async append(record: MetricsRecord): Promise<void> {
    await this.#lines?.append(record);
  }

  /** last.pt: the detector as it is. */
  async saveLast(detector: Detector): Promise<void> {
    if (!this.#lines) return;
    await detector.save(this.folder.file('last'));
  }

  /** What going on needs. */
  async saveState(position: RunPosition, parts: Omit<RunState, 'position'>): Promise<void> {
    if (!this.#lines) return;
    await this.#lines.sync();
    const complete = { ...position, metricsBytes: this.#lines.length };
    await writeRunState(this.folder.file('state'), { position: complete, ...parts });
  }

  /** best.pt, and what the report tells of it. */
  async saveBest(detector: Detector, found: DetectorEvaluation, data: Dataset): Promise<void> {
    if (!this.#lines) return;
    await detector.save(this.folder.file('best'));
    const details = await evaluationDetails(found, data);
    await writeWhole(this.folder.file('evaluation'), JSON.stringify(details));
  }

  async writeReport(): Promise<void> {
    if (!this.#lines) return;
    await writeWhole(this.folder.file('report'), await reportOfRun(this.folder));
  }

  async close(): Promise<void> {
    await this.#lines?.close();
  }
}
