/** Checks of what JavaScript may pass where TypeScript would not: they say what is wanted, where a TypeError would come later. */
import { optionError, TorchdetError } from './errors';

/** What a value is, for messages: short, whatever it holds. */
export function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') {
    return JSON.stringify(value);
  }
  if (typeof value !== 'object') return typeof value;
  if (value instanceof Promise) return 'a Promise (is an await missing?)';
  const { constructor } = value as { constructor?: unknown };
  const isPlain = typeof constructor !== 'function' || constructor === Object;
  return isPlain ? 'an object' : `an object of class ${constructor.name}`;
}

/** An array or a typed one. */
export function isList(value: unknown): value is ArrayLike<unknown> {
  return Array.isArray(value) || (ArrayBuffer.isView(value) && 'length' in value);
}

/** Whether a value has these methods. */
export function hasMethods(value: unknown, ...names: readonly string[]): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return names.every((name) => typeof Reflect.get(value, name) === 'function');
}

/** @throws TorchdetError ERR_OPTION_VALUE */
export function checkCallback(where: string, option: string, value: unknown): void {
  if (value === undefined || typeof value === 'function') return;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: option "${option}" must be a function, got ${kindOf(value)}.`,
  );
}

/** @throws TorchdetError ERR_OPTION_VALUE where the option is neither left out nor true or false */
export function checkFlag(where: string, option: string, value: unknown): void {
  if (value === undefined || typeof value === 'boolean') return;
  throw optionError(where, option, value, 'true or false');
}

/** @throws TorchdetError ERR_OPTION_VALUE where the option is neither left out nor an AbortSignal */
export function checkSignal(where: string, signal: unknown): void {
  if (signal === undefined || signal instanceof AbortSignal) return;
  const given = signal instanceof AbortController ? 'its AbortController' : typeof signal;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: option "signal" must be an AbortSignal, got ${given}.`,
  );
}
