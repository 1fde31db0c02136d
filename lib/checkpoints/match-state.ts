import type { StateEntry } from '../../binding';
import { rejectUnknownOptions, TorchdetError } from '../errors';
import { guessArchitecture } from './architecture';
import { classCount, headDifference } from './head-keys';
import { isFrozenCounter, isOptionalCounter, migrateKey } from './migrate-keys';
import { type Checkpoint, type CheckpointTensor, showShape } from './types';

export interface MatchOptions {
  /** true (default): every tensor must be there and fit. false: what fits is taken, the rest is reported. */
  strict?: boolean;
  /**
   * true (default): predictors for another number of classes keep the model's fresh values, and `messages` says so.
   * false: they count as misshaped.
   */
  replaceHead?: boolean;
}

/** A tensor both sides have, in different shapes. */
export interface ShapeDifference {
  name: string;
  model: number[];
  checkpoint: number[];
}

/** What of a checkpoint goes into a model, and what does not. */
export interface MatchedState {
  /** Tensors to load, by the model's names. */
  state: Map<string, CheckpointTensor>;
  /** Names of the model the checkpoint lacks. */
  missing: string[];
  /** Names of the checkpoint the model lacks. */
  unexpected: string[];
  misshaped: ShapeDifference[];
  /** Predictors left as they are because the number of classes differs. */
  replaced: ShapeDifference[];
  /** Names of the checkpoint that were brought up to date: [old, new]. */
  migrated: [string, string][];
  /** For people: what was replaced, and (not strict) what was left out. */
  messages: string[];
}

/** Lines a list in a message may have. */
const maxListed = 8;

/**
 * Pairs a model's state dict with a checkpoint. Old torchvision names are brought up to date, the batch counters of
 * frozen normalisation are dropped, and heads for another number of classes are left fresh.
 *
 * @param model names and shapes, as NativeModule.names() gives them
 * @throws TorchdetError ERR_STATE_DICT (strict) listing missing, unexpected and misshaped tensors with both shapes, and
 *   saying so where the checkpoint looks like one of another architecture
 */
export function matchState(
  model: readonly StateEntry[],
  checkpoint: Checkpoint,
  options: MatchOptions = {},
): MatchedState {
  rejectUnknownOptions('matchState', options, ['strict', 'replaceHead']);
  const { strict = true, replaceHead = true } = options;
  const shapes = new Map(model.map(({ name, shape }) => [name, shape]));
  const result: MatchedState = {
    state: new Map(),
    missing: [],
    unexpected: [],
    misshaped: [],
    replaced: [],
    migrated: [],
    messages: [],
  };
  const has = (name: string): boolean => shapes.has(name);
  const renamed = renameTensors(checkpoint, has, result);

  for (const [name, tensor] of renamed) {
    const shape = shapes.get(name);
    if (shape === undefined) {
      if (!isFrozenCounter(name, has)) result.unexpected.push(name);
      continue;
    }
    if (sameShape(shape, tensor.shape)) {
      result.state.set(name, tensor);
      continue;
    }
    const difference = { name, model: shape, checkpoint: tensor.shape };
    const isHead = replaceHead && headDifference(name, shape, tensor.shape) !== undefined;
    (isHead ? result.replaced : result.misshaped).push(difference);
  }
  for (const { name } of model) {
    if (!renamed.has(name) && !isOptionalCounter(name, checkpoint.versions)) {
      result.missing.push(name);
    }
  }

  report(result, model, checkpoint, strict);
  return result;
}

/** The checkpoint's tensors by today's names. A tensor that is there under both keeps the one it has today. */
function renameTensors(
  { tensors }: Checkpoint,
  has: (name: string) => boolean,
  result: MatchedState,
): Map<string, CheckpointTensor> {
  const renamed = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of tensors) {
    const today = migrateKey(name, has);
    if (today === name) renamed.set(name, tensor);
    else if (!tensors.has(today)) {
      renamed.set(today, tensor);
      result.migrated.push([name, today]);
    } else result.unexpected.push(name);
  }
  return renamed;
}

function sameShape(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((size, i) => size === b[i]);
}

function report(
  result: MatchedState,
  model: readonly StateEntry[],
  checkpoint: Checkpoint,
  strict: boolean,
): void {
  const { missing, unexpected, misshaped, replaced, messages } = result;
  const shown = ({ name, model: mine, checkpoint: theirs }: ShapeDifference): string =>
    `${name}: the model has ${showShape(mine)}, the checkpoint ${showShape(theirs)}`;
  if (replaced.length > 0) {
    messages.push(
      `The checkpoint predicts ${replacedCounts(model, checkpoint)}; these layers start fresh and need training: ` +
        `${replaced.map(({ name }) => name).join(', ')}.`,
    );
  }
  const problems = [
    list('missing in the checkpoint', missing, model.length),
    list('unknown to the model', unexpected, checkpoint.tensors.size),
    list('of another shape', misshaped.map(shown), model.length),
  ].filter((problem) => problem !== '');
  if (problems.length === 0) return;

  const summary = summarise(result, model, checkpoint);
  if (strict) {
    const advice =
      summary ?? 'With strict: false what fits is loaded and the rest keeps its initial values.';
    throw new TorchdetError(
      'ERR_STATE_DICT',
      `The checkpoint does not fit the model. ${advice}\n${problems.join('\n')}`,
    );
  }
  if (summary !== undefined) messages.push(summary);
  messages.push(...problems);
}

function list(title: string, items: readonly string[], total: number): string {
  if (items.length === 0) return '';
  const rest = items.length > maxListed ? [`  … and ${items.length - maxListed} more`] : [];
  const lines = items.slice(0, maxListed).map((item) => `  ${item}`);
  return [`${items.length} of ${total} tensors ${title}:`, ...lines, ...rest].join('\n');
}

/** `another number of classes`, in numbers where the tensors tell. */
function replacedCounts(model: readonly StateEntry[], checkpoint: Checkpoint): string {
  const theirs = classCount((name) => checkpoint.tensors.get(name)?.shape);
  const mine = classCount((name) => model.find((entry) => entry.name === name)?.shape);
  if (theirs === undefined || mine === undefined || theirs === mine) {
    return 'another number of classes or keypoints than the model';
  }
  return `${theirs} classes, the model ${mine} (background included)`;
}

/** One sentence where the difference has a plain cause; undefined where the lists must speak. */
function summarise(
  { state, replaced, misshaped }: MatchedState,
  model: readonly StateEntry[],
  checkpoint: Checkpoint,
): string | undefined {
  const theirs = guessArchitecture(checkpoint.tensors.keys());
  const mine = guessArchitecture(model.map(({ name }) => name));
  const shared = state.size + replaced.length;
  if (theirs !== undefined && mine !== undefined && theirs !== mine) {
    return `It looks like another architecture: the names in the checkpoint are those of ${theirs}, the model is ${mine}.`;
  }
  if (shared + misshaped.length < model.length / 2) {
    const count = `only ${shared} of the model's ${model.length} tensors are in it`;
    const place = checkpoint.metadata.otherSources;
    return place === undefined
      ? `It looks like another architecture: ${count}.`
      : `It looks like another architecture, or the wrong part of the file: ${count}. Other parts: ${place}.`;
  }
  if (misshaped.length > model.length / 4) {
    return `It looks like another size of the same architecture: ${misshaped.length} of ${model.length} tensors differ in shape.`;
  }
  return undefined;
}
