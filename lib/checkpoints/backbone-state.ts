import type { Checkpoint, CheckpointTensor } from './types';

/** Parts that have another name in the detector than in the classifier: see `PretrainedHint.moved`. */
export type MovedParts = readonly (readonly [from: string, to: string])[];

/** Where torchvision's detectors keep the classification network: in front of the names it has as a classifier. */
const body = 'backbone.body.';

/**
 * A classifier's checkpoint under the names its body has in a detector: `layer1.0.conv1.weight` of a ResNet becomes
 * `backbone.body.layer1.0.conv1.weight`, `features.0.0.weight` of a MobileNet `backbone.body.0.0.weight`. Layers the
 * detector has no use for (`fc`, `classifier`, what lies behind the last returned layer) are left out.
 *
 * @param has whether the detector has a tensor of this name
 * @param prefix what the detector puts before the body's names; default `backbone.body.`
 * @param moved prefixes of the parts that have other names there; what none of them fits is left out
 */
export function backboneState(
  checkpoint: Checkpoint,
  has: (name: string) => boolean,
  prefix = body,
  moved?: MovedParts,
): Checkpoint {
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const own = name.replace(/^features\./, '');
    const renamed = moved === undefined ? own : moveName(own, moved);
    if (renamed === undefined) continue;
    const inBody = prefix + renamed;
    // A batch counter the detector lacks belongs to a frozen normalisation: matchState knows what to do with it.
    const owner = inBody.replace(/\.num_batches_tracked$/, '.running_mean');
    if (has(inBody) || has(owner)) tensors.set(inBody, tensor);
  }
  return { ...checkpoint, tensors };
}

function moveName(name: string, moved: MovedParts): string | undefined {
  const part = moved.find(([from]) => name.startsWith(from));
  return part && part[1] + name.slice(part[0].length);
}
