/** Options that the backbones share. */
import { nearestName, optionError, TorchdetError } from '../errors';
import { checkInteger, checkList } from '../nn/check';

/** Levels to return, ascending and each once: a pyramid goes from fine to coarse. */
export function checkLevels(
  where: string,
  value: readonly number[],
  min: number,
  max: number,
): readonly number[] {
  const levels = checkList(where, 'returnedLayers', value, (place, option, entry) =>
    checkInteger(place, option, entry, min, max),
  );
  if (levels.some((level, i) => i > 0 && level <= (levels[i - 1] ?? 0))) {
    throw optionError(where, 'returnedLayers', value, 'ascending, each level once');
  }
  return levels;
}

/** One of the networks a builder knows, by torchvision's name. */
export function lookUp<T>(builder: string, name: string, known: Readonly<Record<string, T>>): T {
  const found = Object.hasOwn(known, name) ? known[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(known);
  const nearest = nearestName(name, names);
  const hint = nearest === undefined ? `Known: ${names.join(', ')}.` : `Did you mean "${nearest}"?`;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${builder}: no backbone is called ${JSON.stringify(name)}. ${hint}`,
  );
}

/** The options as given, without those that are undefined: these must not hide a default, nor show in a description. */
export function givenOptions<T extends object>(options: T): T & Record<string, unknown> {
  const entries = Object.entries(options).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as T & Record<string, unknown>;
}

/** The options without some of them. */
export function omit<T extends object, K extends keyof T>(
  options: T,
  names: readonly K[],
): Omit<T, K> {
  const entries = Object.entries(options).filter(([name]) => !names.some((left) => left === name));
  return Object.fromEntries(entries) as Omit<T, K>;
}
