import { Detector } from '../detector';
import { ensureLibtorch } from '../runtime/ensure';
import type { DetectorPlan } from './detector-plan';

/** Installs LibTorch where there is none, then loads the detector. */
export async function openDetector(
  plan: DetectorPlan,
  { device, signal }: { readonly device: string; readonly signal?: AbortSignal },
): Promise<Detector> {
  await ensureLibtorch(signal ? { signal } : {});
  signal?.throwIfAborted();
  switch (plan.kind) {
    case 'default':
      return Detector.default({ device });
    case 'archive':
      return Detector.load(plan.path, { device });
    case 'model': {
      const { model, weights, categories } = plan;
      const classes = categories ? { categories, numClasses: categories.length } : {};
      return Detector.create(model, { weights, device, ...classes });
    }
  }
}
