/** Readers of options' values, for commander. */
import { InvalidArgumentError } from 'commander';
import { type Precision, PRECISIONS } from '../detection/precision';

export function precisionName(text: string): Precision {
  const found = PRECISIONS.find((name) => name === text);
  if (found) return found;
  throw new InvalidArgumentError('It must be float32, bfloat16, float16 or int8.');
}

/** A number in a range. */
export function numberFrom(least: number, most = Infinity) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && value >= least && value <= most) return value;
    const range = most === Infinity ? `from ${least}` : `from ${least} to ${most}`;
    throw new InvalidArgumentError(`It must be a number ${range}.`);
  };
}

/** A whole number of at least `least`. */
export function wholeFrom(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
  };
}

/** A number above 0. */
export function positive(text: string): number {
  const value = Number(text);
  if (value > 0 && value < Infinity) return value;
  throw new InvalidArgumentError('It must be a number above 0.');
}

/** An object as JSON. */
export function jsonObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Record<string, unknown>;
    }
  } catch {
    // Said below.
  }
  throw new InvalidArgumentError('It must be an object as JSON, for example {"boxNmsThresh":0.4}.');
}

export function deviceName(text: string): string {
  if (/^(auto|cpu|cuda(:\d+)?)$/.test(text)) return text;
  throw new InvalidArgumentError('It must be auto, cpu, cuda or cuda:N.');
}
