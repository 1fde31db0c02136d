import { existsSync, readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { TorchdetError } from '../errors';
import { buildModel, isModelName } from '../models/registry';
import { findWeights } from '../models/weights';
import { UsageError } from './usage-error';

/** Which detector a command line asks for. */
export type DetectorPlan =
  | { readonly kind: 'default' }
  | { readonly kind: 'archive'; readonly path: string }
  | {
      readonly kind: 'model';
      readonly model: string;
      /** The full name of published weights, or a checkpoint's absolute path. */
      readonly weights: string;
      readonly published: boolean;
      /** Names by label, the background at 0, where they were given. */
      readonly categories?: readonly string[];
    };

export function isFile(path: string): boolean {
  return existsSync(path) && statSync(path).isFile();
}

/** Whether a text that names no existing file was meant as one. */
export function looksLikePath(text: string): boolean {
  return /[\\/]|\.(pt|pth|torchscript|safetensors|bin|zip|onnx)$/i.test(text);
}

function readClassFile(path: string): string[] {
  const text = readFileSync(path, 'utf8');
  if (!path.toLowerCase().endsWith('.json')) return text.split(/\r?\n/);
  let names: unknown;
  try {
    names = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`--classes ${path}: ${(error as Error).message}`);
  }
  if (Array.isArray(names) && names.every((name) => typeof name === 'string')) return names;
  throw new UsageError(`--classes ${path}: it must hold an array of names.`);
}

/**
 * Names by label from `--classes`: a file with one name a line (or a JSON array), or names separated by commas. They are
 * those of labels 1, 2, …; label 0 is the background, which may be named first (`__background__`).
 */
export function readCategories(given: string): string[] {
  if (!isFile(given) && looksLikePath(given) && !given.includes(',')) {
    throw new UsageError(`--classes ${given}: no such file.`);
  }
  const lines = isFile(given) ? readClassFile(given) : given.split(',');
  const names = lines.map((name) => name.trim()).filter((name) => name !== '');
  if (names.length === 0) throw new UsageError(`--classes ${given}: there are no names in it.`);
  const first = names[0]?.replaceAll('_', '').toLowerCase();
  return first === 'background'
    ? ['__background__', ...names.slice(1)]
    : ['__background__', ...names];
}

function checkPublished(
  name: string,
  model: string | undefined,
  categories: readonly string[] | undefined,
) {
  if (looksLikePath(name) && !/_weights\./i.test(name)) {
    throw new UsageError(`--weights ${name}: no such file.`);
  }
  const entry = findWeights(name, model);
  const classes = entry.categories?.length ?? 0;
  if (categories && categories.length !== classes) {
    throw new UsageError(
      `--classes gives ${categories.length - 1} names, but ${entry.name} know ${classes - 1} classes. Weights of your own go with --weights FILE.`,
    );
  }
  return entry;
}

/**
 * Reads `--model`, `--weights` and `--classes` and finds what does not fit before anything is loaded.
 *
 * @throws UsageError; TorchdetError ERR_MODEL_UNKNOWN and ERR_OPTION_VALUE for names that are not known.
 */
export function planDetector(
  options: { readonly model?: string; readonly weights?: string },
  categories: readonly string[] | undefined,
): DetectorPlan {
  const { model, weights } = options;
  const named = categories ? { categories } : {};
  if (model === undefined) {
    if (weights === undefined) return { kind: 'default' };
    if (isFile(weights))
      throw new UsageError('--weights FILE needs --model NAME: weights of what?');
    const entry = checkPublished(weights, undefined, categories);
    if (!isModelName(entry.model)) {
      throw new TorchdetError(
        'ERR_MODEL_UNKNOWN',
        `${entry.name} are weights of ${entry.model}, which is a backbone and detects nothing by itself: name a detector with --model.`,
      );
    }
    return { kind: 'model', model: entry.model, weights: entry.name, published: true, ...named };
  }
  if (!isModelName(model)) {
    if (isFile(model)) {
      if (weights === undefined) return { kind: 'archive', path: model };
      throw new UsageError(
        `--model ${model} is an archive and has its weights: leave out --weights.`,
      );
    }
    if (looksLikePath(model)) throw new UsageError(`--model ${model}: no such file.`);
    buildModel(model);
  }
  if (weights !== undefined && isFile(weights)) {
    return { kind: 'model', model, weights: resolve(weights), published: false, ...named };
  }
  if (weights === undefined && model === 'small') return { kind: 'default' };
  return {
    kind: 'model',
    model,
    published: true,
    weights: checkPublished(weights ?? 'DEFAULT', model, categories).name,
    ...named,
  };
}
