/** What making and opening a detector needs to decide before and after LibTorch has its turn. */
import { stat } from 'node:fs/promises';
import { sniffCheckpoint } from '../checkpoints';
import { optionError, TorchdetError } from '../errors';
import { buildModel } from '../models';
import type { DetectorSpec } from '../models/detector-spec';
import { publishedWeights, type WeightsSource } from './weights';

interface ComingWeights {
  readonly weights?: WeightsSource;
  readonly backboneWeights?: WeightsSource;
}

/** A named model's spec: the builder is told whether weights will come, as that decides norms and frozen layers. */
export function describeByName(
  name: string,
  { weights, backboneWeights }: ComingWeights,
  builderOptions: object,
): DetectorSpec {
  const published = weights === undefined ? undefined : publishedWeights(weights, name);
  const coming =
    weights !== undefined ? 'detector' : backboneWeights !== undefined ? 'backbone' : false;
  return buildModel(name, {
    ...(coming ? { pretrained: coming } : {}),
    ...(published?.frozenNormEps === undefined ? {} : { normEps: published.frozenNormEps }),
    ...builderOptions,
  });
}

/** The names that published weights come with, where the model has as many classes. */
export function publishedCategories(
  spec: DetectorSpec,
  weights: WeightsSource | undefined,
): readonly string[] | undefined {
  const names =
    weights === undefined ? undefined : publishedWeights(weights, spec.name)?.categories;
  return names?.length === spec.numClasses ? names : undefined;
}

/**
 * A name for each class.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function checkCategories(
  categories: readonly string[] | undefined,
  numClasses?: number,
): void {
  if (!categories || numClasses === undefined || categories.length === numClasses) return;
  throw optionError(
    'Detector',
    'categories',
    categories.length,
    `${numClasses} names, the background first, as the model has ${numClasses} classes with it`,
  );
}

/** Says what a file is before LibTorch is asked to read it: its own words for other files help nobody. */
export async function checkIsArchive(path: string): Promise<void> {
  const given: unknown = path;
  if (typeof given !== 'string') {
    const shown = given instanceof URL ? `an address: fileURLToPath() makes it one` : typeof given;
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `Detector.load: pass the archive's path, got ${shown}.`,
    );
  }
  try {
    await stat(path);
  } catch (cause) {
    throw new TorchdetError('ERR_FILE', `Detector.load: there is no file ${path}.`, { cause });
  }
  const kind = await sniffCheckpoint(path).catch((cause: unknown) => {
    if (!(cause instanceof TorchdetError)) throw cause;
    throw new TorchdetError('ERR_ARCHIVE_FORMAT', `Detector.load: ${cause.message}`, { cause });
  });
  if (kind === 'torchscript') return;
  const hint =
    kind === 'unknown'
      ? 'It is neither a TorchScript archive nor a checkpoint.'
      : `It is a state dict (${kind}): describe the model and pass the file as weights, ` +
        'Detector.create(model, { weights }).';
  throw new TorchdetError('ERR_ARCHIVE_FORMAT', `Detector.load: ${path} is no model. ${hint}`);
}
