/** Checks that the options of all families share. */
import { optionError, rejectUnknownOptions, TorchdetError } from '../../errors';
import { checkInteger, checkList, checkNumber, checkOptions, checkString } from '../../nn/check';
import type { Backbone } from '../../backbones/backbone';

/**
 * @throws TorchdetError ERR_OPTION_VALUE saying that the background counts
 */
export function checkNumClasses(where: string, value: unknown): number {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 2) return value;
  const expected =
    'an integer of at least 2: it counts the background (label 0), so K kinds of object make K + 1';
  throw optionError(where, 'numClasses', value, expected);
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE where there are more or fewer names than classes
 */
export function checkCategories(
  where: string,
  value: readonly string[],
  numClasses: number,
): readonly string[] {
  const names = checkList(where, 'categories', value, checkString);
  if (names.length === numClasses) return names;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: "categories" has ${names.length} names for ${numClasses} classes; it needs one for each label, the background at 0 included.`,
  );
}

/** A number from 0 to 1. */
export const fraction = (where: string, option: string, value: unknown): number =>
  checkNumber(where, option, value, 0, 1);

/** An integer of at least 1. */
export const positiveInteger = (where: string, option: string, value: unknown): number =>
  checkInteger(where, option, value, 1);

/** The background must not begin above the objects: IoUs between the two are ignored in training. */
export function checkIouOrder(
  where: string,
  prefix: string,
  config: { readonly fgIouThresh: number; readonly bgIouThresh: number },
): void {
  if (config.bgIouThresh <= config.fgIouThresh) return;
  const [fg, bg] = prefix === '' ? ['fg', 'bg'] : [`${prefix}Fg`, `${prefix}Bg`];
  const expected = `at most ${fg}IouThresh, which is ${config.fgIouThresh}`;
  throw optionError(where, `${bg}IouThresh`, config.bgIouThresh, expected);
}

/**
 * Rejects what is no options object or has names besides `known`.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_UNKNOWN
 */
export function checkKnown(where: string, options: unknown, known: readonly string[]): void {
  checkOptions(where, options);
  rejectUnknownOptions(where, options, known);
}

/** Whether a value has the shape of a {@link Backbone}; what it declares is checked where it is used. */
export function isBackbone(value: unknown): value is Backbone {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['module', 'featureNames', 'channels', 'strides'].every((name) => name in value)
  );
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE where `value` is no backbone
 */
export function checkIsBackbone(where: string, value: unknown): Backbone {
  if (isBackbone(value)) return value;
  throw optionError(where, 'backbone', value, 'a backbone, such as resnetFpn("resnet50")');
}
