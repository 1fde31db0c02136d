/** MobileNetV2 (https://arxiv.org/abs/1801.04381) and MobileNetV3 (https://arxiv.org/abs/1905.02244): their `features`. */
import { hardswish, relu, relu6 } from '../nn/activation';
import { convNormActivation, squeezeExcitation } from '../nn/blocks';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { kaimingNormal, zeros } from '../nn/init';
import { module } from '../nn/module';
import { tensorForward } from '../nn/source';
import type { NormLayer } from '../nn/norm';
import type { Initializer, ModuleSpec } from '../nn/spec';

/** One entry of `features`: the stem, an inverted residual, or the last 1x1 convolution. */
export interface Feature {
  readonly module: ModuleSpec;
  readonly channels: number;
  /** Pixels of the image per cell after it. */
  readonly stride: number;
  /** An inverted residual with stride 2, where a stage begins. */
  readonly downsamples: boolean;
  /** MobileNetV3: channels inside an inverted residual, between expansion and projection; else those that come out. */
  readonly expanded: number;
}

/** How a network may differ from the published one. */
export interface MobileNetVariant {
  /** MobileNetV3: factor of all channels, which stay multiples of 8. Default 1. */
  readonly widthMult?: number;
  /** MobileNetV3: half the channels from the last stage with stride 2 on. Default false. */
  readonly reducedTail?: boolean;
  /** First weights of all convolutions. Default torchvision's for a classifier, Kaiming normal by fan out. */
  readonly weightInit?: Initializer;
}

const init = { weightInit: kaimingNormal({ mode: 'fanOut' }), biasInit: zeros };

/** torchvision's `_make_divisible`: the nearest multiple of 8 that does not go below 90%. */
function multipleOf8(value: number): number {
  const rounded = Math.max(8, Math.floor((value + 4) / 8) * 8);
  return rounded < 0.9 * value ? rounded + 8 : rounded;
}

/** The blocks in a row as one list of features, with channels and strides counted along. */
class FeatureList {
  readonly features: Feature[] = [];
  private channels = 3;
  private stride = 1;

  add(
    outChannels: number,
    stride: number,
    kind: 'conv' | 'block',
    make: (inC: number) => ModuleSpec,
    expanded = outChannels,
  ): void {
    const spec = make(this.channels);
    this.channels = outChannels;
    this.stride *= stride;
    this.features.push({
      module: spec,
      channels: outChannels,
      stride: this.stride,
      downsamples: kind === 'block' && stride > 1,
      expanded,
    });
  }
}

/** An inverted residual's forward: `layers` under the name torchvision gives them, plus the shortcut where there is one. */
function invertedResidual(
  name: 'conv' | 'block',
  layers: ModuleSpec[],
  shortcut: boolean,
): ModuleSpec {
  return module('InvertedResidual', {
    children: [[name, sequential(layers)]],
    source: tensorForward(`return ${shortcut ? 'x + ' : ''}self.${name}.forward(x)`),
  });
}

function mobilenetV2(norm: NormLayer): readonly Feature[] {
  const list = new FeatureList();
  const activation = relu6;
  list.add(32, 2, 'conv', (inC) =>
    convNormActivation(inC, 32, { stride: 2, norm, activation, ...init }),
  );
  // expansion, channels, blocks, stride of the first
  const stages = [
    [1, 16, 1, 1],
    [6, 24, 2, 2],
    [6, 32, 3, 2],
    [6, 64, 4, 2],
    [6, 96, 3, 1],
    [6, 160, 3, 2],
    [6, 320, 1, 1],
  ] as const;
  for (const [expansion, outC, blocks, firstStride] of stages) {
    for (let i = 0; i < blocks; i++) {
      const stride = i === 0 ? firstStride : 1;
      list.add(outC, stride, 'block', (inC) => {
        const hidden = inC * expansion;
        const common = { norm, activation, ...init };
        const layers = [
          convNormActivation(hidden, hidden, { stride, groups: hidden, ...common }),
          conv2d(hidden, outC, 1, { bias: false, weightInit: init.weightInit }),
          norm(outC),
        ];
        if (expansion !== 1)
          layers.unshift(convNormActivation(inC, hidden, { kernelSize: 1, ...common }));
        return invertedResidual('conv', layers, stride === 1 && inC === outC);
      });
    }
  }
  list.add(1280, 1, 'conv', (inC) =>
    convNormActivation(inC, 1280, { kernelSize: 1, norm, activation, ...init }),
  );
  return list.features;
}

/** kernel, expanded channels, output channels, squeeze-and-excitation, activation, stride */
type V3Block = readonly [number, number, number, boolean, 'relu' | 'hardswish', number];

const V3_LARGE: readonly V3Block[] = [
  [3, 16, 16, false, 'relu', 1],
  [3, 64, 24, false, 'relu', 2],
  [3, 72, 24, false, 'relu', 1],
  [5, 72, 40, true, 'relu', 2],
  [5, 120, 40, true, 'relu', 1],
  [5, 120, 40, true, 'relu', 1],
  [3, 240, 80, false, 'hardswish', 2],
  [3, 200, 80, false, 'hardswish', 1],
  [3, 184, 80, false, 'hardswish', 1],
  [3, 184, 80, false, 'hardswish', 1],
  [3, 480, 112, true, 'hardswish', 1],
  [3, 672, 112, true, 'hardswish', 1],
  [5, 672, 160, true, 'hardswish', 2],
  [5, 960, 160, true, 'hardswish', 1],
  [5, 960, 160, true, 'hardswish', 1],
];

const V3_SMALL: readonly V3Block[] = [
  [3, 16, 16, true, 'relu', 2],
  [3, 72, 24, false, 'relu', 2],
  [3, 88, 24, false, 'relu', 1],
  [5, 96, 40, true, 'hardswish', 2],
  [5, 240, 40, true, 'hardswish', 1],
  [5, 240, 40, true, 'hardswish', 1],
  [5, 120, 48, true, 'hardswish', 1],
  [5, 144, 48, true, 'hardswish', 1],
  [5, 288, 96, true, 'hardswish', 2],
  [5, 576, 96, true, 'hardswish', 1],
  [5, 576, 96, true, 'hardswish', 1],
];

/** Half the channels from the last stage with stride 2 on; its first block is still expanded from full ones. */
function withReducedTail(blocks: readonly V3Block[]): readonly V3Block[] {
  const tail = blocks.map((block) => block[5]).lastIndexOf(2);
  return blocks.map(([kernelSize, expanded, outC, ...rest], i) => [
    kernelSize,
    i > tail ? expanded / 2 : expanded,
    i >= tail ? outC / 2 : outC,
    ...rest,
  ]);
}

function mobilenetV3(
  published: readonly V3Block[],
  norm: NormLayer,
  { widthMult = 1, reducedTail = false, weightInit = init.weightInit }: MobileNetVariant = {},
): readonly Feature[] {
  const widen = (channels: number): number => multipleOf8(channels * widthMult);
  const blocks = reducedTail ? withReducedTail(published) : published;
  const list = new FeatureList();
  const inits = { weightInit, biasInit: init.biasInit };
  const ends = { norm, activation: hardswish, ...inits };
  const first = widen(16);
  list.add(first, 2, 'conv', (inC) => convNormActivation(inC, first, { stride: 2, ...ends }));
  for (const [kernelSize, fullExpanded, fullOut, squeeze, activationName, stride] of blocks) {
    const [expanded, outC] = [widen(fullExpanded), widen(fullOut)];
    const activation = activationName === 'relu' ? relu : hardswish;
    const common = { norm, activation, ...inits };
    const make = (inC: number): ModuleSpec => {
      const layers: ModuleSpec[] = [];
      if (expanded !== inC) {
        layers.push(convNormActivation(inC, expanded, { kernelSize: 1, ...common }));
      }
      layers.push(
        convNormActivation(expanded, expanded, { kernelSize, stride, groups: expanded, ...common }),
      );
      if (squeeze)
        layers.push(squeezeExcitation(expanded, multipleOf8(Math.floor(expanded / 4)), inits));
      layers.push(
        convNormActivation(expanded, outC, { kernelSize: 1, ...common, activation: null }),
      );
      return invertedResidual('block', layers, stride === 1 && inC === outC);
    };
    list.add(outC, stride, 'block', make, expanded);
  }
  const last = widen(blocks[blocks.length - 1]?.[2] ?? 0) * 6;
  list.add(last, 1, 'conv', (inC) => convNormActivation(inC, last, { kernelSize: 1, ...ends }));
  return list.features;
}

/** Indices of the stem, of the blocks with stride 2, and of the last convolution. */
export function stageStarts(features: readonly Feature[]): readonly number[] {
  const strided = features.flatMap((feature, i) => (feature.downsamples ? [i] : []));
  return [0, ...strided, features.length - 1];
}

/** The indices of each stage's features, from the last stage to the stem; a stage ends where the next begins. */
export function stagesFromHead(features: readonly Feature[]): readonly (readonly number[])[] {
  const starts = stageStarts(features);
  return starts
    .map((start, i) => features.slice(start, starts[i + 1]).map((_, k) => start + k))
    .reverse();
}

/** The networks that have a reduced tail and a width. */
export const MOBILENETS_V3 = {
  mobilenet_v3_large: (norm: NormLayer, variant?: MobileNetVariant) =>
    mobilenetV3(V3_LARGE, norm, variant),
  mobilenet_v3_small: (norm: NormLayer, variant?: MobileNetVariant) =>
    mobilenetV3(V3_SMALL, norm, variant),
} as const;

export const MOBILENETS = {
  mobilenet_v2: (norm: NormLayer) => mobilenetV2(norm),
  ...MOBILENETS_V3,
} as const;

export type MobileNetName = keyof typeof MOBILENETS;
export type MobileNetV3Name = keyof typeof MOBILENETS_V3;
