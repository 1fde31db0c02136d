/** MobileNetV2 (https://arxiv.org/abs/1801.04381) and MobileNetV3 (https://arxiv.org/abs/1905.02244): their `features`. */
import { hardswish, relu, relu6 } from '../nn/activation';
import { convNormActivation, squeezeExcitation } from '../nn/blocks';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { kaimingNormal, zeros } from '../nn/init';
import { module } from '../nn/module';
import { tensorForward } from '../nn/source';
import type { NormLayer } from '../nn/norm';
import type { ModuleSpec } from '../nn/spec';

/** One entry of `features`: the stem, an inverted residual, or the last 1x1 convolution. */
export interface Feature {
  readonly module: ModuleSpec;
  readonly channels: number;
  /** Pixels of the image per cell after it. */
  readonly stride: number;
  /** An inverted residual with stride 2, where a stage begins. */
  readonly downsamples: boolean;
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
  ): void {
    const spec = make(this.channels);
    this.channels = outChannels;
    this.stride *= stride;
    this.features.push({
      module: spec,
      channels: outChannels,
      stride: this.stride,
      downsamples: kind === 'block' && stride > 1,
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

function mobilenetV3(blocks: readonly V3Block[], norm: NormLayer): readonly Feature[] {
  const list = new FeatureList();
  const ends = { norm, activation: hardswish, ...init };
  list.add(16, 2, 'conv', (inC) => convNormActivation(inC, 16, { stride: 2, ...ends }));
  for (const [kernelSize, expanded, outC, squeeze, activationName, stride] of blocks) {
    const activation = activationName === 'relu' ? relu : hardswish;
    const common = { norm, activation, ...init };
    list.add(outC, stride, 'block', (inC) => {
      const layers: ModuleSpec[] = [];
      if (expanded !== inC) {
        layers.push(convNormActivation(inC, expanded, { kernelSize: 1, ...common }));
      }
      layers.push(
        convNormActivation(expanded, expanded, { kernelSize, stride, groups: expanded, ...common }),
      );
      if (squeeze)
        layers.push(squeezeExcitation(expanded, multipleOf8(Math.floor(expanded / 4)), init));
      layers.push(
        convNormActivation(expanded, outC, { kernelSize: 1, ...common, activation: null }),
      );
      return invertedResidual('block', layers, stride === 1 && inC === outC);
    });
  }
  const last = (blocks[blocks.length - 1]?.[2] ?? 0) * 6;
  list.add(last, 1, 'conv', (inC) => convNormActivation(inC, last, { kernelSize: 1, ...ends }));
  return list.features;
}

export const MOBILENETS = {
  mobilenet_v2: mobilenetV2,
  mobilenet_v3_large: (norm: NormLayer) => mobilenetV3(V3_LARGE, norm),
  mobilenet_v3_small: (norm: NormLayer) => mobilenetV3(V3_SMALL, norm),
} as const;

export type MobileNetName = keyof typeof MOBILENETS;
