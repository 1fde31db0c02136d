/** SSDlite's MobileNetV3 (https://arxiv.org/abs/1905.02244): torchvision's SSDLiteFeatureExtractorMobileNet, with its names. */
import { rejectUnknownOptions } from '../errors';
import { relu6 } from '../nn/activation';
import { convNormActivation } from '../nn/blocks';
import {
  checkBoolean,
  checkChoice,
  checkInteger,
  checkNumber,
  checkOptions,
  checkPositive,
} from '../nn/check';
import { moduleList, sequential } from '../nn/containers';
import { normal } from '../nn/init';
import { frozen, module } from '../nn/module';
import { batchNorm2d, frozenBatchNorm2d } from '../nn/norm';
import type { NormLayer } from '../nn/norm';
import { childExpression, defineMethod, tensorForward } from '../nn/source';
import type { ModuleSpec } from '../nn/spec';
import type { Backbone } from './backbone';
import { MOBILENETS_V3, stagesFromHead } from './mobilenet';
import type { Feature, MobileNetV3Name } from './mobilenet';
import { givenOptions, lookUp } from './options';
import type { Children } from './trainable';

/** The norm of SSDlite's layers. */
export interface SsdLiteNormOptions {
  /** `batch`, or `frozen`: fixed statistics and affine. Default `batch`, also for pretrained weights, as in torchvision. */
  readonly norm?: 'batch' | 'frozen';
  /** Added to the variance. Default 1e-3. */
  readonly normEps?: number;
  /** `batch`: share of each batch in the running statistics. Default 0.03. */
  readonly normMomentum?: number;
}

export interface SsdLiteMobileNetOptions extends SsdLiteNormOptions {
  /** How many of the six stages train, counted from the last. 0 to 6. Default 6. */
  readonly trainableLayers?: number;
  /** Half the channels from the last stage with stride 2 on; ImageNet weights then do not fit. Default false. */
  readonly reducedTail?: boolean;
  /** Factor of all channels of MobileNetV3, which stay multiples of 8; ImageNet weights want 1. Default 1. */
  readonly widthMult?: number;
  /** Factor of the channels of the four levels on top, 512, 256, 256 and 128. Default 1. */
  readonly extraWidthMult?: number;
  /** Least channels of those levels. Default 16. */
  readonly minDepth?: number;
}

export const SSD_LITE_NORM_OPTIONS = ['norm', 'normEps', 'normMomentum'];
const OPTIONS = [
  ...SSD_LITE_NORM_OPTIONS,
  ...['trainableLayers', 'reducedTail', 'widthMult', 'extraWidthMult', 'minDepth'],
];

/** torchvision's first values of SSDlite's convolutions. */
export const ssdLiteWeightInit = normal(0, 0.03);

/**
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function ssdLiteNorm(where: string, options: SsdLiteNormOptions): NormLayer {
  const kind = checkChoice(where, 'norm', options.norm ?? 'batch', ['batch', 'frozen']);
  const eps = checkNumber(where, 'normEps', options.normEps ?? 1e-3, 0);
  const momentum = checkNumber(where, 'normMomentum', options.normMomentum ?? 0.03, 0, 1);
  return (channels) =>
    kind === 'frozen'
      ? frozenBatchNorm2d(channels, { eps })
      : batchNorm2d(channels, { eps, momentum });
}

/** A level on top: 1x1 to half the channels, 3x3 depthwise with stride 2, 1x1. */
function extraBlock(inC: number, outC: number, norm: NormLayer): ModuleSpec {
  const middle = Math.floor(outC / 2);
  const common = { norm, activation: relu6, weightInit: ssdLiteWeightInit };
  return sequential([
    convNormActivation(inC, middle, { kernelSize: 1, ...common }),
    convNormActivation(middle, middle, { stride: 2, groups: middle, ...common }),
    convNormActivation(middle, outC, { kernelSize: 1, ...common }),
  ]);
}

/** The layers of an inverted residual, which SSDlite takes apart after the expansion. */
function blockLayers(block: ModuleSpec): Children {
  const [, layers] = block.children?.[0] ?? [];
  return layers?.children ?? [];
}

/** The layers after the expansion; torchvision's slice of the block keeps their names, "1" and on. */
function withoutExpansion(layers: Children): ModuleSpec {
  const rest = layers.slice(1);
  return module('Sequential', {
    children: rest,
    source: tensorForward(
      ...rest.map(([name]) => `x = ${childExpression(name)}.forward(x)`),
      'return x',
    ),
  });
}

function extractor(
  body: readonly ModuleSpec[],
  c4: number,
  extra: readonly ModuleSpec[],
): ModuleSpec {
  const layers = body.slice(c4, c4 + 1).flatMap(blockLayers);
  const expansion = layers.slice(0, 1).map(([, layer]) => layer);
  const first = sequential([...body.slice(0, c4), ...expansion]);
  const second = sequential([withoutExpansion(layers), ...body.slice(c4 + 1)]);
  const calls = [
    ...[0, 1].map((i) => childExpression(`${i}`, 'self.features')),
    ...extra.map((_, i) => childExpression(`${i}`, 'self.extra')),
  ];
  return module('SSDLiteFeatureExtractorMobileNet', {
    children: [
      ['features', sequential([first, second])],
      ['extra', moduleList(extra)],
    ],
    source: defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
      'out: Dict[str, Tensor] = {}',
      ...calls.flatMap((call, i) => [`x = ${call}.forward(x)`, `out["${i}"] = x`]),
      'return out',
    ]),
  });
}

/** Index of the block that begins the last stage with stride 2. */
function lastStrided(features: readonly Feature[]): number {
  return features.map(({ downsamples }) => downsamples).lastIndexOf(true);
}

/**
 * MobileNetV3 as SSDlite's backbone. Maps "0" to "5": the expansion of the first block of stride 32, the last convolution, and
 * four levels on top; strides 16, 32, 64, 128, 256 and 512, channels 672, 960, 512, 256, 256 and 128 for `mobilenet_v3_large`
 * (960 is 480 with `reducedTail`).
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function ssdLiteMobileNet(
  name: MobileNetV3Name,
  options: SsdLiteMobileNetOptions = {},
): Backbone {
  const make = lookUp('ssdLiteMobileNet', name, MOBILENETS_V3);
  const where = `ssdLiteMobileNet("${name}")`;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, OPTIONS);
  const norm = ssdLiteNorm(where, options);
  const features = make(norm, {
    widthMult: checkPositive(where, 'widthMult', options.widthMult ?? 1),
    reducedTail: checkBoolean(where, 'reducedTail', options.reducedTail ?? false),
    weightInit: ssdLiteWeightInit,
  });
  const stages = stagesFromHead(features);
  const given = options.trainableLayers ?? stages.length;
  const trainable = checkInteger(where, 'trainableLayers', given, 0, stages.length);
  const factor = checkPositive(where, 'extraWidthMult', options.extraWidthMult ?? 1);
  const minDepth = checkInteger(where, 'minDepth', options.minDepth ?? 16, 2);
  const depth = (channels: number): number => Math.max(minDepth, Math.floor(channels * factor));

  const c4 = lastStrided(features);
  const beyond = new Set(stages.slice(trainable).flat());
  const body = features.map((feature, i) =>
    beyond.has(i) ? frozen(feature.module) : feature.module,
  );
  const last = features[features.length - 1];
  const levels = [512, 256, 256, 128].map(depth);
  const extra = levels.map((channels, i) =>
    extraBlock(levels[i - 1] ?? last?.channels ?? 0, channels, norm),
  );
  const namesOf = (i: number): string[] => {
    if (i === c4) return [`features.0.${c4}.`, 'features.1.0.'];
    return [i < c4 ? `features.0.${i}.` : `features.1.${i - c4}.`];
  };
  const stride = last?.stride ?? 1;
  return {
    name,
    module: extractor(body, c4, extra),
    featureNames: ['0', '1', ...levels.map((_, i) => `${i + 2}`)],
    channels: [features[c4]?.expanded ?? 0, last?.channels ?? 0, ...levels],
    strides: [stride / 2, stride, ...levels.map((_, i) => stride << (i + 1))],
    trainableGroups: stages.map((stage) => stage.flatMap(namesOf)),
    frozen: [...beyond].sort((a, b) => a - b).flatMap(namesOf),
    pretrained: { weights: name, from: 'features.', to: '', moved: movedParts(features, c4) },
    description: { builder: 'ssdLiteMobileNet', name, options: givenOptions(options) },
  };
}

function movedParts(features: readonly Feature[], c4: number): [from: string, to: string][] {
  return features.flatMap(({ module: feature }, i): [string, string][] => {
    if (i < c4) return [[`${i}.`, `features.0.${i}.`]];
    if (i > c4) return [[`${i}.`, `features.1.${i - c4}.`]];
    return blockLayers(feature).map(([name], k) => [
      `${c4}.block.${name}.`,
      k === 0 ? `features.0.${c4}.` : `features.1.0.${name}.`,
    ]);
  });
}
