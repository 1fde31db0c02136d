import { rejectUnknownOptions } from '../errors';
import { checkChoice, checkInteger, checkNumber, checkOptions } from '../nn/check';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { module } from '../nn/module';
import { normLayer } from '../nn/norm';
import { defineMethod } from '../nn/source';
import type { Backbone } from './backbone';
import { bodyWithPyramid, EXTRA_BLOCKS } from './feature-pyramid';
import type { ExtraBlocks } from './feature-pyramid';
import { MOBILENETS, stagesFromHead, stageStarts } from './mobilenet';
import type { MobileNetName } from './mobilenet';
import { checkLevels, givenOptions, lookUp } from './options';
import { freezeGroups } from './trainable';

export interface MobileNetOptions {
  /** How many of the six stages train, counted from the last. 0 to 6. Default 2, as torchvision's `mobilenet_backbone`. */
  readonly trainableLayers?: number;
  /** Norm of the body. Default `frozen`, right for pretrained weights; `batch` to train from scratch. */
  readonly norm?: 'frozen' | 'batch';
  /** eps of the body's norm. Default 1e-5. */
  readonly normEps?: number;
  /** Channels of every map that comes out. Default 256. */
  readonly outChannels?: number;
}

export interface MobileNetFpnOptions extends MobileNetOptions {
  /**
   * Stages whose maps the pyramid is built on, ascending, each 0 to 5: strides 2, 4, 8, 16, 32, 32 (v3 small: 2, 4, 8,
   * 16, 32, 32 as well). Default the last two.
   */
  readonly returnedLayers?: readonly number[];
  /** Levels on top. Default `maxPool`: one more, named `pool`. */
  readonly extraBlocks?: ExtraBlocks;
  /** Norm after the pyramid's convolutions. Default null: none. */
  readonly fpnNorm?: 'batch' | null;
}

const OPTIONS = ['trainableLayers', 'norm', 'normEps', 'outChannels'];
const FPN_OPTIONS = [...OPTIONS, 'returnedLayers', 'extraBlocks', 'fpnNorm'];

/** Names {@link mobileNet} and {@link mobileNetFpn} know. */
export const MOBILENET_NAMES = Object.keys(MOBILENETS) as readonly MobileNetName[];

/** What both builders make first: checked options, features with the frozen ones marked, and the stages. */
function describeBody(
  builder: string,
  name: MobileNetName,
  options: MobileNetOptions,
  known: readonly string[],
) {
  const make = lookUp(builder, name, MOBILENETS);
  const where = `${builder}("${name}")`;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, known);
  const { norm: given = 'frozen' } = options;
  const norm = checkChoice(where, 'norm', given, ['frozen', 'batch']);
  const eps = checkNumber(where, 'normEps', options.normEps ?? 1e-5, 0);
  const features = make(normLayer(norm, { eps }));

  const starts = stageStarts(features);
  const trainable = checkInteger(
    where,
    'trainableLayers',
    options.trainableLayers ?? 2,
    0,
    starts.length,
  );
  const groups = stagesFromHead(features).map((stage) => stage.map((i) => `${i}`));
  const children = features.map((feature, i) => [`${i}`, feature.module] as const);
  return {
    where,
    features,
    starts,
    groups,
    ...freezeGroups(children, groups, trainable),
    outChannels: checkInteger(where, 'outChannels', options.outChannels ?? 256, 1),
  };
}

/**
 * A MobileNet with a feature pyramid: torchvision's `mobilenet_backbone(fpn=True)`, with its keys (`body.0.0.weight`,
 * `fpn.inner_blocks.0.0.weight`). Maps "0", "1", … in the order of `returnedLayers`, then the extra ones. With
 * torchvision's default levels, 0 and 1 both have stride 32 and RoIs are never pooled from level 1.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function mobileNetFpn(name: MobileNetName, options: MobileNetFpnOptions = {}): Backbone {
  const body = describeBody('mobileNetFpn', name, options, FPN_OPTIONS);
  const { where, features, starts, groups } = body;
  const { extraBlocks = 'maxPool', fpnNorm = null } = options;
  const stages = starts.length;
  const returned = options.returnedLayers ?? [stages - 2, stages - 1];
  const levels = checkLevels(where, returned, 0, stages - 1).map((stage) => {
    const index = starts[stage] ?? 0;
    const { channels = 0, stride = 1 } = features[index] ?? {};
    return { child: `${index}`, channels, stride };
  });
  return {
    name,
    ...bodyWithPyramid(body.children, levels, {
      outChannels: body.outChannels,
      extraBlocks: checkChoice(where, 'extraBlocks', extraBlocks, EXTRA_BLOCKS),
      norm: checkChoice(where, 'fpnNorm', fpnNorm, ['batch', null]),
    }),
    trainableGroups: groups.map((group) => group.map((child) => `body.${child}.`)),
    frozen: body.frozenNames.map((child) => `body.${child}.`),
    pretrained: { weights: name, from: 'features.', to: 'body.' },
    description: { builder: 'mobileNetFpn', name, options: givenOptions(options) },
  };
}

/**
 * A MobileNet without a pyramid: torchvision's `mobilenet_backbone(fpn=False)`, `features` ("0") and a 1x1 convolution
 * ("1"). One map, "0", of stride 32.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function mobileNet(name: MobileNetName, options: MobileNetOptions = {}): Backbone {
  const body = describeBody('mobileNet', name, options, OPTIONS);
  const last = body.features[body.features.length - 1];
  const features = sequential(body.children.map(([, child]) => child));
  return {
    name,
    module: module('MobileNet', {
      children: [
        ['0', features],
        ['1', conv2d(last?.channels ?? 0, body.outChannels, 1)],
      ],
      source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
        'x = getattr(self, "0").forward(x)',
        'return {"0": getattr(self, "1").forward(x)}',
      ]),
    }),
    featureNames: ['0'],
    channels: [body.outChannels],
    strides: [last?.stride ?? 1],
    trainableGroups: body.groups.map((group) => group.map((child) => `0.${child}.`)),
    frozen: body.frozenNames.map((child) => `0.${child}.`),
    pretrained: { weights: name, from: 'features.', to: '0.' },
    description: { builder: 'mobileNet', name, options: givenOptions(options) },
  };
}
