import { classCount, readCheckpoint } from '../checkpoints';
import type { Precision } from '../detection/precision';
import { Detector } from '../detector';
import type { CreateOptions } from '../detector-options';
import { buildModel, type NamedModelOptions } from '../models';
import { cocoCategories } from '../models/weights';
import { ensureLibtorch } from '../runtime/ensure';
import { installReporter } from '../runtime/install-progress';
import type { DetectorPlan } from './detector-plan';
import { UsageError } from './usage-error';

type ClassOptions = Pick<CreateOptions & NamedModelOptions, 'categories' | 'numClasses'>;

interface OpenOptions {
  readonly device: string;
  readonly precision?: Precision | undefined;
  readonly signal?: AbortSignal;
}

/** Says how many classes a checkpoint was trained for, so that its head is used whatever their number. */
async function classesOfCheckpoint(
  file: string,
  model: string,
  categories: readonly string[] | undefined,
): Promise<ClassOptions> {
  const { tensors } = await readCheckpoint(file);
  const count = classCount((name) => tensors.get(name)?.shape);
  // Not a checkpoint of such a model: loading it will say what is missing.
  if (count === undefined) return categories ? { categories } : {};
  if (categories && categories.length !== count) {
    throw new UsageError(
      `--classes gives ${categories.length - 1} names, but ${file} was trained for ${count - 1} classes.`,
    );
  }
  const names = categories ?? (count === cocoCategories.length ? cocoCategories : undefined);
  const named = names ? { categories: names } : {};
  const { numClasses } = buildModel(model);
  if (numClasses === count) return named;
  return { ...named, numClasses: count };
}

async function createNamed(
  { model, weights, published, categories }: DetectorPlan & { readonly kind: 'model' },
  { device, precision = 'float32', signal }: OpenOptions,
): Promise<Detector> {
  const classes = published
    ? categories
      ? { categories }
      : {}
    : await classesOfCheckpoint(weights, model, categories);
  await ensureLibtorch(signal ? { signal } : {});
  const reporter = installReporter();
  try {
    return await Detector.create(model, {
      ...classes,
      weights,
      device,
      precision,
      ...(signal ? { signal } : {}),
      onProgress: (done, total) => {
        reporter.onProgress({ stage: 'download', done, total });
      },
      onMessage: reporter.log,
    });
  } finally {
    reporter.finish();
  }
}

/**
 * Installs LibTorch where there is none, downloads published weights where they are asked for and not in the cache, and
 * loads the detector.
 *
 * @throws UsageError where the names given are not as many as the checkpoint's classes; the errors of Detector
 */
export async function openDetector(plan: DetectorPlan, options: OpenOptions): Promise<Detector> {
  const { device, precision = 'float32', signal } = options;
  if (plan.kind === 'model') return createNamed(plan, options);
  await ensureLibtorch(signal ? { signal } : {});
  signal?.throwIfAborted();
  return plan.kind === 'default'
    ? Detector.default({ device, precision })
    : Detector.load(plan.path, { device, precision });
}
