import { optionError, rejectUnknownOptions } from '../errors';
import { checkBoolean, checkChoice, checkInteger, checkNumber, checkOptions } from '../nn/check';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { module } from '../nn/module';
import { normLayer } from '../nn/norm';
import { defineMethod } from '../nn/source';
import type { Backbone } from './backbone';
import { bodyWithPyramid, EXTRA_BLOCKS } from './feature-pyramid';
import type { ExtraBlocks } from './feature-pyramid';
import { checkLevels, givenOptions, lookUp } from './options';
import { freezeGroups } from './trainable';
import { vggFeatures, VGGS } from './vgg';
import type { VggLayer, VggName } from './vgg';

export interface VggFpnOptions {
  /** With a norm after each convolution: torchvision's `vgg16_bn` and the like. Default false. */
  readonly batchNorm?: boolean;
  /** Which norm, with `batchNorm`. Default `frozen`, right for pretrained weights; `batch` to train from scratch. */
  readonly norm?: 'frozen' | 'batch';
  /** eps of that norm. Default 1e-5. */
  readonly normEps?: number;
  /**
   * Indices in torchvision's `features` of the convolutions whose maps are returned, ascending. Default: the last one of 64,
   * 128, 256 and 512 channels; for vgg16 [2, 7, 14, 28], strides 1, 2, 4 and 16.
   */
  readonly returnedLayers?: readonly number[];
  /** Layers with a lower index are frozen: 0 to the last index, 30 for vgg16. Default the first two stages, 10 for vgg16. */
  readonly frozenLayers?: number;
  /** A feature pyramid on the returned maps. False: one map, the last returned layer's through a 1x1 convolution. Default true. */
  readonly fpn?: boolean;
  /** Levels on top of the pyramid. Default `maxPool`: one more, named `pool`. */
  readonly extraBlocks?: ExtraBlocks;
  /** Norm after the pyramid's convolutions. Default null: none. */
  readonly fpnNorm?: 'batch' | null;
  /** Channels of every map that comes out. Default 256. */
  readonly outChannels?: number;
}

const OPTIONS = [
  ...['batchNorm', 'norm', 'normEps', 'returnedLayers', 'frozenLayers', 'fpn'],
  ...['extraBlocks', 'fpnNorm', 'outChannels'],
];

/** Names {@link vggFpn} knows. */
export const VGG_NAMES = Object.keys(VGGS) as readonly VggName[];

/**
 * A VGG with a feature pyramid: torchvision's `BackboneWithFPN` around `vgg16().features`, with its keys (`body.0.weight`,
 * `fpn.inner_blocks.0.0.weight`). Maps "0", "1", … in the order of `returnedLayers`, then the extra ones. Without `fpn`: the
 * features ("0") and a 1x1 convolution ("1"), as in torchvision's `mobilenet_backbone(fpn=False)`; one map, "0".
 *
 * torchvision's ReLUs work in place: where one follows a returned convolution, the map is what it leaves behind, none below
 * zero. So it is here, apart from the last returned layer, behind which nothing runs, and with `batchNorm`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function vggFpn(name: VggName, options: VggFpnOptions = {}): Backbone {
  lookUp<readonly number[]>('vggFpn', name, VGGS);
  const where = `vggFpn("${name}")`;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, OPTIONS);
  const features = checkFeatures(where, name, options);
  const returned = returnedLayers(where, features, options.returnedLayers);
  const last = returned[returned.length - 1] ?? 0;
  const frozenLayers = options.frozenLayers ?? features.findIndex(({ stage }) => stage === 3);
  checkInteger(where, 'frozenLayers', frozenLayers, 0, features.length - 1);
  const outChannels = checkInteger(where, 'outChannels', options.outChannels ?? 256, 1);

  const kept = features.slice(0, last + 1);
  const frozenIndices = parametersOf(kept, (_, index) => index < frozenLayers);
  const groups = [5, 4, 3, 2, 1]
    .map((wanted) => parametersOf(kept, ({ stage }) => stage === wanted))
    .filter((group) => group.length > 0);
  const { children } = freezeGroups(
    kept.map((layer, i) => [`${i}`, layer.module] as const),
    [frozenIndices],
    0,
  );
  const fpn = checkBoolean(where, 'fpn', options.fpn ?? true);
  const prefix = fpn ? 'body.' : '0.';
  const common = {
    name: checkBoolean(where, 'batchNorm', options.batchNorm ?? false) ? `${name}_bn` : name,
    trainableGroups: groups.map((group) => group.map((index) => `${prefix}${index}.`)),
    frozen: frozenIndices.map((index) => `${prefix}${index}.`),
    description: { builder: 'vggFpn', name, options: givenOptions(options) },
  };
  const pretrained = { weights: common.name, from: 'features.', to: prefix };
  if (!fpn) {
    rejectPyramidOptions(where, options);
    const { channels, stride } = kept[last] ?? { channels: 0, stride: 1 };
    return {
      ...common,
      pretrained,
      module: module('Vgg', {
        children: [
          ['0', sequential(children.map(([, child]) => child))],
          ['1', conv2d(channels, outChannels, 1)],
        ],
        source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
          'x = getattr(self, "0").forward(x)',
          'return {"0": getattr(self, "1").forward(x)}',
        ]),
      }),
      featureNames: ['0'],
      channels: [outChannels],
      strides: [stride],
    };
  }
  const levels = returned.map((index) => {
    const { channels = 0, stride = 1 } = kept[index] ?? {};
    const reluFollows = kept[index + 1]?.kind === 'relu';
    return { child: `${reluFollows ? index + 1 : index}`, channels, stride };
  });
  const { extraBlocks = 'maxPool', fpnNorm = null } = options;
  return {
    ...common,
    pretrained,
    ...bodyWithPyramid(children, levels, {
      outChannels,
      extraBlocks: checkChoice(where, 'extraBlocks', extraBlocks, EXTRA_BLOCKS),
      norm: checkChoice(where, 'fpnNorm', fpnNorm, ['batch', null]),
    }),
  };
}

function checkFeatures(where: string, name: VggName, options: VggFpnOptions): readonly VggLayer[] {
  const batchNorm = checkBoolean(where, 'batchNorm', options.batchNorm ?? false);
  const kind = checkChoice(where, 'norm', options.norm ?? 'frozen', ['frozen', 'batch']);
  const eps = checkNumber(where, 'normEps', options.normEps ?? 1e-5, 0);
  for (const option of ['norm', 'normEps'] as const) {
    if (!batchNorm && options[option] !== undefined) {
      const expected = 'nothing, as there is no norm without batchNorm: true';
      throw optionError(where, option, options[option], expected);
    }
  }
  return vggFeatures(name, { batchNorm, norm: normLayer(kind, { eps }) });
}

function rejectPyramidOptions(where: string, options: VggFpnOptions): void {
  for (const option of ['extraBlocks', 'fpnNorm'] as const) {
    if (options[option] === undefined) continue;
    throw optionError(
      where,
      option,
      options[option],
      'nothing, as there is no pyramid (fpn: false)',
    );
  }
}

/** Indices, as names, of the layers with a state that `choose` picks. */
function parametersOf(
  layers: readonly VggLayer[],
  choose: (layer: VggLayer, index: number) => boolean,
): readonly string[] {
  return layers.flatMap((layer, index) =>
    (layer.kind === 'conv' || layer.kind === 'norm') && choose(layer, index) ? [`${index}`] : [],
  );
}

function returnedLayers(
  where: string,
  features: readonly VggLayer[],
  given: readonly number[] | undefined,
): readonly number[] {
  const convolutions = features.flatMap(({ kind }, i) => (kind === 'conv' ? [i] : []));
  if (given === undefined) {
    const lastOf = (channels: number): number =>
      convolutions.filter((i) => features[i]?.channels === channels).at(-1) ?? 0;
    return [64, 128, 256, 512].map(lastOf);
  }
  const indices = checkLevels(where, given, 0, features.length - 1);
  indices.forEach((index, i) => {
    const kind = features[index]?.kind;
    if (kind === 'conv') return;
    const nearest = [
      convolutions.filter((candidate) => candidate < index).at(-1),
      convolutions.find((candidate) => candidate > index),
    ].filter((candidate) => candidate !== undefined);
    const article = kind === 'relu' ? 'a ReLU' : `a ${kind === 'pool' ? 'pooling' : 'norm'}`;
    throw optionError(
      where,
      `returnedLayers[${i}]`,
      index,
      `the index of a convolution: layer ${index} is ${article}, the nearest are ${nearest.join(' and ')}`,
    );
  });
  return indices;
}
