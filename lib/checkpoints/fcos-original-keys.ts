/** Names of the original FCOS repository's checkpoints, and what the model calls the same tensors. */

type Has = (name: string) => boolean;

/** Prefixes in its checkpoints (after `module.`), each a module's, and ours; the body's layers keep their names. */
const prefixes: readonly [theirs: RegExp, ours: (match: RegExpExecArray, has: Has) => string][] = [
  [/^backbone\.body\.stem\./, () => 'backbone.body.'],
  [
    // Alone where the convolution has neither norm nor ReLU behind it, else a Sequential.
    /^backbone\.fpn\.fpn_(inner|layer)(\d)\.(\d\.)?/,
    ([, block = '', layer = '', part = '0.'], has) =>
      `backbone.fpn.${block}_blocks.${Number(layer) - 5 + pyramidLevels(has)}.${part}`,
  ],
  [/^backbone\.fpn\.top_blocks\./, () => 'backbone.fpn.extra_blocks.'],
  [/^rpn\.head\.cls_tower\./, () => 'head.classification_head.conv.'],
  [/^rpn\.head\.bbox_tower\./, () => 'head.regression_head.conv.'],
  [/^rpn\.head\.cls_logits\./, () => 'head.classification_head.cls_logits.'],
  [/^rpn\.head\.bbox_pred\./, () => 'head.regression_head.bbox_reg.'],
  [
    /^rpn\.head\.centerness\./,
    (_, has) => {
      const ours = 'head.classification_head.bbox_ctrness.';
      return has(`${ours}weight`) ? ours : 'head.regression_head.bbox_ctrness.';
    },
  ],
  [/^rpn\.head\.scales\./, () => 'head.regression_head.scales.'],
];

/** Its pyramids number their convolutions by the body's layer, and reach to the last of four: fpn_inner2 is the first of three. */
function pyramidLevels(has: Has): number {
  const count = [0, 1, 2, 3].findIndex((i) => !has(`backbone.fpn.inner_blocks.${i}.0.weight`));
  return count < 0 ? 4 : count;
}

/**
 * The name the model has for a tensor of the original repository's checkpoint; undefined where the name is not one of its.
 *
 * @param has whether the model has a tensor of this name
 */
export function fcosOriginalKey(name: string, has: Has): string | undefined {
  for (const [pattern, rename] of prefixes) {
    const match = pattern.exec(name);
    if (match) return rename(match, has) + name.slice(match[0].length);
  }
  return undefined;
}
