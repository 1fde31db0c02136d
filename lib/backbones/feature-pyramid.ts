/** Feature Pyramid Networks (https://arxiv.org/abs/1612.03144), with torchvision's names. */
import { relu } from '../nn/activation';
import { convNormActivation } from '../nn/blocks';
import { moduleList } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { kaimingUniform, zeros } from '../nn/init';
import { module } from '../nn/module';
import { normLayer } from '../nn/norm';
import { childExpression, defineMethod } from '../nn/source';
import type { ModuleSpec } from '../nn/spec';
import type { Children } from './trainable';

/**
 * What the pyramid adds on top. `maxPool`: torchvision's LastLevelMaxPool, a level `pool` by subsampling. `p6p7`: its
 * LastLevelP6P7, two convolutions with stride 2 making `p6` and `p7` from the pyramid's last level (RetinaNet, FCOS);
 * `p6p7OnC5`: the same from the body's last map (RetinaNet v2). Null: nothing.
 */
export type ExtraBlocks = 'maxPool' | 'p6p7' | 'p6p7OnC5' | null;

export const EXTRA_BLOCKS: readonly ExtraBlocks[] = ['maxPool', 'p6p7', 'p6p7OnC5', null];

/** A map the body returns: the child it leaves by, its channels and stride. */
export interface BodyLevel {
  readonly child: string;
  readonly channels: number;
  readonly stride: number;
}

export interface PyramidOptions {
  readonly outChannels: number;
  readonly extraBlocks: ExtraBlocks;
  /** Norm after the pyramid's convolutions; null: none, the convolutions have biases. */
  readonly norm: 'batch' | 'group' | null;
  /** ReLU after each of them, and after its norm. Default false. */
  readonly relu?: boolean;
}

/** `backbone.body` and `backbone.fpn`, and what the maps that come out look like. */
export interface BodyWithPyramid {
  readonly module: ModuleSpec;
  readonly featureNames: readonly string[];
  readonly channels: readonly number[];
  readonly strides: readonly number[];
}

const init = { weightInit: kaimingUniform({ a: 1 }), biasInit: zeros };

/**
 * Runs `children` one after the other and returns the maps of `levels` as "0", "1", …; children after the last are
 * dropped. torchvision's IntermediateLayerGetter.
 */
export function intermediateLayers(children: Children, levels: readonly BodyLevel[]): ModuleSpec {
  const order = children.map(([name]) => name);
  const last = Math.max(...levels.map((level) => order.indexOf(level.child)));
  const kept = children.slice(0, last + 1);
  const body = ['out: Dict[str, Tensor] = {}'];
  for (const [name] of kept) {
    body.push(`x = ${childExpression(name)}.forward(x)`);
    const level = levels.findIndex((candidate) => candidate.child === name);
    if (level >= 0) body.push(`out["${level}"] = x`);
  }
  return module('IntermediateLayerGetter', {
    children: kept,
    source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [...body, 'return out']),
  });
}

/** torchvision's BackboneWithFPN: a body and a pyramid on the maps it returns. */
export function bodyWithPyramid(
  children: Children,
  levels: readonly BodyLevel[],
  options: PyramidOptions,
): BodyWithPyramid {
  const extra = extraLevels(options.extraBlocks);
  const lastStride = levels[levels.length - 1]?.stride ?? 1;
  const names = [...levels.map((_, i) => `${i}`), ...extra];
  return {
    module: module('BackboneWithFPN', {
      children: [
        ['body', intermediateLayers(children, levels)],
        ['fpn', featurePyramid(levels, options)],
      ],
      source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
        'return self.fpn.forward(self.body.forward(x))',
      ]),
    }),
    featureNames: names,
    channels: names.map(() => options.outChannels),
    strides: [
      ...levels.map((level) => level.stride),
      ...extra.map((_, i) => lastStride << (i + 1)),
    ],
  };
}

function extraLevels(extraBlocks: ExtraBlocks): readonly string[] {
  if (extraBlocks === null) return [];
  return extraBlocks === 'maxPool' ? ['pool'] : ['p6', 'p7'];
}

/** torchvision's FeaturePyramidNetwork: lateral 1x1 convolutions, top-down sums by nearest upsampling, 3x3 convolutions. */
function featurePyramid(levels: readonly BodyLevel[], options: PyramidOptions): ModuleSpec {
  const { outChannels, extraBlocks } = options;
  const norm = options.norm === null ? null : normLayer(options.norm);
  const activation = options.relu === true ? relu : null;
  const conv = (inChannels: number, kernelSize: number): ModuleSpec =>
    convNormActivation(inChannels, outChannels, { kernelSize, norm, activation, ...init });

  const last = levels.length - 1;
  const body = [`inner${last} = ${blockCall('inner_blocks', last, `x["${last}"]`)}`];
  for (let i = last - 1; i >= 0; i--) {
    body.push(
      `lateral${i} = ${blockCall('inner_blocks', i, `x["${i}"]`)}`,
      // The lateral layers are 1 x 1: their results have the sizes of what they read. Nobody but the sum reading those lets it be
      // done inside the layer.
      `size${i} = [x["${i}"].size(2), x["${i}"].size(3)]`,
      `inner${i} = lateral${i} + torch.upsample_nearest2d(inner${i + 1}, size${i}, None, None)`,
    );
  }
  body.push('out: Dict[str, Tensor] = {}');
  for (let i = 0; i <= last; i++) {
    body.push(`out["${i}"] = ${blockCall('layer_blocks', i, `inner${i}`)}`);
  }
  const coarsest = `out["${last}"]`;
  if (extraBlocks === 'maxPool') {
    body.push(`out["pool"] = torch.max_pool2d(${coarsest}, [1, 1], [2, 2], [0, 0])`);
  } else if (extraBlocks !== null) {
    const source = extraBlocks === 'p6p7' ? coarsest : `x["${last}"]`;
    body.push(`out["p6"], out["p7"] = self.extra_blocks.forward(${source})`);
  }

  const children: [string, ModuleSpec][] = [
    ['inner_blocks', moduleList(levels.map((level) => conv(level.channels, 1)))],
    ['layer_blocks', moduleList(levels.map(() => conv(outChannels, 3)))],
  ];
  if (extraBlocks === 'p6p7' || extraBlocks === 'p6p7OnC5') {
    const c5 = levels[last]?.channels ?? outChannels;
    children.push(['extra_blocks', p6p7(extraBlocks === 'p6p7' ? outChannels : c5, outChannels)]);
  }
  return module('FeaturePyramidNetwork', {
    children,
    source: defineMethod('forward', 'x: Dict[str, Tensor]', 'Dict[str, Tensor]', [
      ...body,
      'return out',
    ]),
  });
}

function blockCall(list: string, index: number, input: string): string {
  return `${childExpression(`${index}`, `self.${list}`)}.forward(${input})`;
}

function p6p7(inChannels: number, outChannels: number): ModuleSpec {
  return module('LastLevelP6P7', {
    children: [
      ['p6', conv2d(inChannels, outChannels, 3, { stride: 2, padding: 1, ...init })],
      ['p7', conv2d(outChannels, outChannels, 3, { stride: 2, padding: 1, ...init })],
    ],
    source: defineMethod('forward', 'x: Tensor', 'Tuple[Tensor, Tensor]', [
      'p6 = self.p6.forward(x)',
      'return p6, self.p7.forward(torch.relu(p6))',
    ]),
  });
}
