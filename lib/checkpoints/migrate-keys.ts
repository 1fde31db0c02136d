import { fcosOriginalKey } from './fcos-original-keys';

/** Names torchvision's modules had before their version 2, and what they are called now. */
const renames: readonly [RegExp, (match: RegExpExecArray) => string][] = [
  // RPNHead: one convolution became a Sequential of Conv2dNormActivation.
  [/^(.*\.|)conv\.(weight|bias)$/, ([, p = '', kind = '']) => `${p}conv.0.0.${kind}`],
  // FeaturePyramidNetwork: convolutions became Conv2dNormActivation.
  [
    /^(.*\.|)(inner|layer)_blocks\.(\d+)\.(weight|bias)$/,
    ([, p = '', block = '', i = '', kind = '']) => `${p}${block}_blocks.${i}.0.${kind}`,
  ],
  // MaskRCNNHeads: counted from 1.
  [
    /^(.*\.|)mask_fcn(\d+)\.(weight|bias)$/,
    ([, p = '', i = '', kind = '']) => `${p}${Number(i) - 1}.0.${kind}`,
  ],
  // RetinaNet's heads: convolution and ReLU alternated.
  [
    /^(.*\.|)conv\.(\d*[02468])\.(weight|bias)$/,
    ([, p = '', i = '', kind = '']) => `${p}conv.${Number(i) / 2}.0.${kind}`,
  ],
];

/**
 * The name under which the model knows a checkpoint's tensor: the name itself, what torchvision calls it today
 * (`rpn.head.conv.weight` -> `rpn.head.conv.0.0.weight`), or what torchdet calls it where the original FCOS repository wrote
 * the file (`rpn.head.bbox_pred.weight` -> `head.regression_head.bbox_reg.weight`). Judged by the names the model has rather than by the versions
 * stored in the file, as safetensors and many converted files carry none.
 *
 * @param has whether the model has a tensor of this name
 */
export function migrateKey(name: string, has: (name: string) => boolean): string {
  if (has(name)) return name;
  for (const [pattern, rename] of renames) {
    const match = pattern.exec(name);
    const renamed = match && rename(match);
    if (renamed !== null && has(renamed)) return renamed;
  }
  const original = fcosOriginalKey(name, has);
  return original !== undefined && has(original) ? original : name;
}

const counter = '.num_batches_tracked';

/**
 * Whether a checkpoint's entry is the batch counter of a normalisation that is frozen in the model: FrozenBatchNorm2d has
 * the statistics but no counter, and torchvision drops it too.
 */
export function isFrozenCounter(name: string, has: (name: string) => boolean): boolean {
  return name.endsWith(counter) && has(`${name.slice(0, -counter.length)}.running_mean`);
}

/**
 * Whether the model's entry is a batch counter that the checkpoint may lack: BatchNorm counts since its version 2, and
 * frozen ones have none. The model's own counter (0) then stays, as in torch.
 */
export function isOptionalCounter(
  name: string,
  versions: ReadonlyMap<string, number> | undefined,
): boolean {
  return name.endsWith(counter) && (versions?.get(name.slice(0, -counter.length)) ?? 0) < 2;
}
