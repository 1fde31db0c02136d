/** Checks of option values: each returns the value it was given, or throws ERR_OPTION_VALUE with what would be right. */
import { nearestName, optionError, TorchdetError } from '../errors';

/** An integer in [min, max]. */
export function checkInteger(
  where: string,
  option: string,
  value: unknown,
  min: number,
  max = Number.MAX_SAFE_INTEGER,
): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max) {
    return value;
  }
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw optionError(where, option, value, `an integer ${range}`);
}

/** A finite number in [min, max]. */
export function checkNumber(
  where: string,
  option: string,
  value: unknown,
  min = -Infinity,
  max = Infinity,
): number {
  if (typeof value === 'number' && Number.isFinite(value) && value >= min && value <= max) {
    return value;
  }
  let range = '';
  if (min !== -Infinity && max !== Infinity) range = ` from ${min} to ${max}`;
  else if (min !== -Infinity) range = ` of at least ${min}`;
  else if (max !== Infinity) range = ` of at most ${max}`;
  throw optionError(where, option, value, `a number${range}`);
}

/** A number above zero. */
export function checkPositive(where: string, option: string, value: unknown): number {
  if (typeof value === 'number' && Number.isFinite(value) && value > 0) return value;
  throw optionError(where, option, value, 'a number above 0');
}

export function checkString(where: string, option: string, value: unknown): string {
  if (typeof value === 'string') return value;
  throw optionError(where, option, value, 'a string');
}

export function checkBoolean(where: string, option: string, value: unknown): boolean {
  if (typeof value === 'boolean') return value;
  throw optionError(where, option, value, 'true or false');
}

/** One of `choices`; a misspelt name is answered with the nearest right one. */
export function checkChoice<T extends string | boolean | null>(
  where: string,
  option: string,
  value: unknown,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === value);
  if (found !== undefined) return found;
  const names = choices.filter((choice): choice is T & string => typeof choice === 'string');
  const nearest = typeof value === 'string' ? nearestName(value, names) : undefined;
  const hint = nearest === undefined ? '' : ` (did you mean "${nearest}"?)`;
  const list = choices.map((choice) => JSON.stringify(choice)).join(', ');
  throw optionError(where, option, value, `one of ${list}${hint}`);
}

/** A list, each entry checked by `check` under the name `option[i]`. */
export function checkList<T>(
  where: string,
  option: string,
  value: unknown,
  check: (where: string, option: string, value: unknown) => T,
  length?: number,
): readonly T[] {
  const fits =
    Array.isArray(value) && (length === undefined ? value.length > 0 : value.length === length);
  if (!fits) {
    const expected = length === undefined ? 'a list that is not empty' : `a list of ${length}`;
    throw optionError(where, option, value, expected);
  }
  return value.map((entry: unknown, i) => check(where, `${option}[${i}]`, entry));
}

/** An options object: anything but an object here is a call gone wrong. */
export function checkOptions(where: string, options: unknown): asserts options is object {
  if (typeof options === 'object' && options !== null && !Array.isArray(options)) return;
  const shown = options === null ? 'null' : Array.isArray(options) ? 'a list' : typeof options;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: options must be an object, got ${shown}.`,
  );
}
