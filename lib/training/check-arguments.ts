/** What training and evaluating are given, and whether detector and data set fit together. */
import { hasMethods, isList, kindOf } from '../arguments';
import type { Dataset } from '../data/dataset';
import type { Detector } from '../detector';
import { optionError, TorchdetError } from '../errors';

function isDataset(value: unknown): boolean {
  if (!hasMethods(value, 'entry')) return false;
  const { names, length } = value as Partial<Dataset>;
  return Array.isArray(names) && typeof length === 'number';
}

/** @throws TorchdetError ERR_INVALID_ARGUMENT */
export function checkIsDetector(where: string, value: unknown): void {
  if (hasMethods(value, 'predict', 'trainStep')) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: the detector must be one of Detector.create or Detector.load, got ${kindOf(value)}.`,
  );
}

/** @throws TorchdetError ERR_INVALID_ARGUMENT */
export function checkIsDataset(where: string, what: string, value: unknown): void {
  if (isDataset(value)) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: ${what} must be a data set, as openDataset returns it, got ${kindOf(value)}.`,
  );
}

/** @throws TorchdetError ERR_OPTION_VALUE */
export function checkIndices(where: string, option: string, indices: unknown): void {
  if (indices === undefined || isList(indices)) return;
  throw optionError(where, option, indices, 'a list of positions in the data set');
}

/**
 * Labels are only numbers: where names differ, what is called by one name would be learned under another. A data set may have less
 * classes than the detector.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT naming the first difference
 */
export function checkSameNames(
  where: string,
  what: string,
  { names }: Dataset,
  { categories }: Detector,
): void {
  if (!categories) return;
  // Label 0 is the background, whatever it is called.
  const label = names.findIndex((name, k) => k > 0 && name !== categories[k]);
  if (label < 0) return;
  const own = categories[label];
  const known = own === undefined ? 'no such label' : JSON.stringify(own);
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: label ${label} is ${JSON.stringify(names[label])} in ${what}, but ${known} in the detector. ` +
      "Open it with the detector's names: openDataset(path, { classes: detector.categories.slice(1) }).",
  );
}

/** @throws TorchdetError ERR_INVALID_ARGUMENT where all parameters are frozen */
export async function checkTrains(where: string, detector: Detector): Promise<void> {
  const trainable = await detector.trainableParameters();
  if (trainable.length > 0) return;
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: all parameters of ${detector.name} are frozen, so that nothing would be learned. detector.unfreeze(prefixes) lets some train.`,
  );
}
