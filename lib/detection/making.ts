/** Making the module of a detector: of a description, or of an archive. */
import type { Binding, NativeModule } from '../../binding';
import type { CreateOptions, DeviceOptions } from '../detector-options';
import { engine, resolveDevice } from '../engine';
import { optionError } from '../errors';
import type { DetectorSpec } from '../models/detector-spec';
import { type DetectorFacts, factsOfArchive } from './description';
import { checkCategories, checkIsArchive, publishedCategories } from './opening';
import { checkOwnBackbone } from './own-backbone';
import { loadBackboneWeights, loadDetectorWeights, openWeights } from './weights';

/** What a detector is made of. */
export interface MadeDetector {
  readonly module: NativeModule;
  readonly facts: DetectorFacts;
  readonly binding: Binding;
}

function warn(message: string): void {
  process.emitWarning(message, 'TorchdetWarning');
}

/**
 * Compiles a described detector and brings weights in.
 *
 * @throws TorchdetError as `Detector.create`
 */
export async function compileDetector(
  spec: DetectorSpec,
  options: CreateOptions,
): Promise<MadeDetector> {
  const { weights, backboneWeights, strict = true, seed = 0, onMessage = warn } = options;
  if (!Number.isSafeInteger(seed) || seed < 0) {
    throw optionError('Detector.create', 'seed', seed, 'a non-negative integer');
  }
  options.signal?.throwIfAborted();
  const device = resolveDevice(options.device ?? 'auto');
  const binding = engine();
  const categories = options.categories ?? spec.categories ?? publishedCategories(spec, weights);
  checkCategories(categories, spec.numClasses);
  const module = await binding.Module.compile(spec.module, { device, seed });
  try {
    const messages = [...spec.warnings];
    if (backboneWeights !== undefined) {
      const checkpoint = await openWeights(
        backboneWeights,
        spec.pretrainedBackbone?.weights,
        options,
      );
      messages.push(...(await loadBackboneWeights(module, binding, spec, checkpoint)));
    }
    if (weights !== undefined) {
      const checkpoint = await openWeights(weights, spec.name, options);
      messages.push(...(await loadDetectorWeights(module, binding, checkpoint, strict)));
    }
    await module.setTraining(false);
    messages.push(...(await checkOwnBackbone(module, binding, spec)));
    messages.forEach((message) => {
      onMessage(message);
    });
  } catch (error) {
    module.dispose();
    throw error;
  }
  const { name, config, numClasses, description } = spec;
  const { frozen } = spec.trainable;
  const keypoints = spec.keypointNames && { keypointNames: spec.keypointNames };
  const facts = { name, config, numClasses, frozen, description, ...keypoints };
  return { module, facts: categories ? { ...facts, categories } : facts, binding };
}

/**
 * Opens an archive.
 *
 * @throws TorchdetError as `Detector.load`
 */
export async function openArchive(path: string, options: DeviceOptions): Promise<MadeDetector> {
  await checkIsArchive(path);
  const device = resolveDevice(options.device ?? 'auto');
  const binding = engine();
  const module = await binding.Module.load(path, { device });
  try {
    const facts = factsOfArchive(path, module.describe());
    await module.setTraining(false);
    const categories = options.categories ?? facts.categories;
    checkCategories(categories, facts.numClasses);
    return { module, facts: categories ? { ...facts, categories } : facts, binding };
  } catch (error) {
    module.dispose();
    throw error;
  }
}
