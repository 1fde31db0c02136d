/** ResNet (https://arxiv.org/abs/1512.03385), ResNeXt and Wide ResNet, as torchvision builds them, and variants of their blocks. */
import { relu } from '../nn/activation';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { dfConv2d } from '../nn/deform-conv';
import { kaimingNormal, kaimingUniform, uniform } from '../nn/init';
import { module } from '../nn/module';
import { maxPool2d } from '../nn/pooling';
import { tensorForward } from '../nn/source';
import type { NormLayer } from '../nn/norm';
import type { Initializer, ModuleSpec } from '../nn/spec';
import type { Children } from './trainable';

export interface ResnetArchitecture {
  readonly block: 'basic' | 'bottleneck';
  /** Blocks of layer1 to layer4. */
  readonly layers: readonly [number, number, number, number];
  readonly groups: number;
  /** Width of a bottleneck's 3x3 convolution per group, for 64 planes. */
  readonly widthPerGroup: number;
}

function bottleneck(
  layers: ResnetArchitecture['layers'],
  groups = 1,
  widthPerGroup = 64,
): ResnetArchitecture {
  return { block: 'bottleneck', layers, groups, widthPerGroup };
}

export const RESNETS = {
  resnet18: { block: 'basic', layers: [2, 2, 2, 2], groups: 1, widthPerGroup: 64 },
  resnet34: { block: 'basic', layers: [3, 4, 6, 3], groups: 1, widthPerGroup: 64 },
  resnet50: bottleneck([3, 4, 6, 3]),
  resnet101: bottleneck([3, 4, 23, 3]),
  resnet152: bottleneck([3, 8, 36, 3]),
  resnext50_32x4d: bottleneck([3, 4, 6, 3], 32, 4),
  resnext101_32x8d: bottleneck([3, 4, 23, 3], 32, 8),
  resnext101_64x4d: bottleneck([3, 4, 23, 3], 64, 4),
  wide_resnet50_2: bottleneck([3, 4, 6, 3], 1, 128),
  wide_resnet101_2: bottleneck([3, 4, 23, 3], 1, 128),
} as const satisfies Record<string, ResnetArchitecture>;

export type ResnetName = keyof typeof RESNETS;

/** How the convolutions are drawn: as torchvision does, or as the caffe-style bodies of the first detection code bases. */
export const RESNET_INITS = {
  kaimingNormal: kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' }),
  kaimingUniform: kaimingUniform({ a: 1 }),
} as const satisfies Record<string, Initializer>;

/** Deformable 3x3 convolutions in the bottlenecks of some layers. */
export interface ResnetDeformable {
  readonly layers: readonly number[];
  readonly modulated: boolean;
  readonly deformableGroups: number;
}

/** In what a body differs from torchvision's. */
export interface ResnetVariant {
  readonly weightInit: keyof typeof RESNET_INITS;
  /** A layer's stride stands in its first bottleneck's first 1x1 convolution rather than in the 3x3. */
  readonly strideIn1x1: boolean;
  readonly deformable: ResnetDeformable | null;
}

type Conv = (inC: number, outC: number, kernel: 1 | 3, stride?: number) => ModuleSpec;

interface BlockShape {
  readonly inChannels: number;
  readonly planes: number;
  readonly stride: number;
  readonly downsample: ModuleSpec | null;
}

function basicBlock(
  { inChannels, planes, stride, downsample }: BlockShape,
  norm: NormLayer,
  conv: Conv,
): ModuleSpec {
  return module('BasicBlock', {
    children: [
      ['conv1', conv(inChannels, planes, 3, stride)],
      ['bn1', norm(planes)],
      ['relu', relu()],
      ['conv2', conv(planes, planes, 3)],
      ['bn2', norm(planes)],
      ...(downsample ? [['downsample', downsample] as const] : []),
    ],
    source: tensorForward(
      'out = self.relu.forward(self.bn1.forward(self.conv1.forward(x)))',
      'out = self.bn2.forward(self.conv2.forward(out))',
      `return self.relu.forward(out + ${downsample ? 'self.downsample.forward(x)' : 'x'})`,
    ),
  });
}

function bottleneckBlock(
  { inChannels, planes, downsample }: BlockShape,
  norm: NormLayer,
  conv: Conv,
  middle: { readonly width: number; readonly stride1x1: number; readonly conv2: ModuleSpec },
): ModuleSpec {
  const { width, stride1x1, conv2 } = middle;
  return module('Bottleneck', {
    children: [
      ['conv1', conv(inChannels, width, 1, stride1x1)],
      ['bn1', norm(width)],
      ['conv2', conv2],
      ['bn2', norm(width)],
      ['conv3', conv(width, planes * 4, 1)],
      ['bn3', norm(planes * 4)],
      ['relu', relu()],
      ...(downsample ? [['downsample', downsample] as const] : []),
    ],
    source: tensorForward(
      'out = self.relu.forward(self.bn1.forward(self.conv1.forward(x)))',
      'out = self.relu.forward(self.bn2.forward(self.conv2.forward(out)))',
      'out = self.bn3.forward(self.conv3.forward(out))',
      `return self.relu.forward(out + ${downsample ? 'self.downsample.forward(x)' : 'x'})`,
    ),
  });
}

/** Channels that come out of layer1; each layer after doubles them. */
export function resnetStageChannels(architecture: ResnetArchitecture): number {
  return architecture.block === 'basic' ? 64 : 256;
}

/** conv1, bn1, relu, maxpool and layer1 to layer4: a classifier without its pooling and `fc`. */
export function resnetChildren(
  architecture: ResnetArchitecture,
  norm: NormLayer,
  variant: ResnetVariant,
): Children {
  const { groups, layers, widthPerGroup } = architecture;
  const { deformable, strideIn1x1 } = variant;
  const expansion = resnetStageChannels(architecture) / 64;
  const weightInit = RESNET_INITS[variant.weightInit];
  const conv: Conv = (inC, outC, kernel, stride = 1) => {
    const padding = kernel === 3 ? 1 : 0;
    return conv2d(inC, outC, kernel, { stride, padding, bias: false, weightInit });
  };
  let inChannels = 64;

  const layer = (index: number): ModuleSpec => {
    const planes = 32 << index;
    const outChannels = planes * expansion;
    const isDeformable = deformable?.layers.includes(index) === true;
    const conv3x3 = (width: number, stride: number): ModuleSpec => {
      const geometry = { stride, padding: 1, groups, bias: false };
      if (!isDeformable) return conv2d(width, width, 3, { ...geometry, weightInit });
      const bound = 1 / Math.sqrt(width * 9);
      const { modulated, deformableGroups } = deformable;
      return dfConv2d(width, width, 3, {
        ...{ ...geometry, modulated, deformableGroups },
        weightInit: uniform(-bound, bound),
      });
    };
    const modules = Array.from({ length: layers[index - 1] ?? 0 }, (_, i) => {
      // Max pooling stands before layer1, which keeps the size.
      const stride = i === 0 && index > 1 ? 2 : 1;
      const downsample =
        stride !== 1 || inChannels !== outChannels
          ? sequential([conv(inChannels, outChannels, 1, stride), norm(outChannels)])
          : null;
      const shape = { inChannels, planes, stride, downsample };
      inChannels = outChannels;
      if (architecture.block === 'basic') return basicBlock(shape, norm, conv);
      const width = Math.floor((planes * widthPerGroup) / 64) * groups;
      const [stride1x1, stride3x3] = strideIn1x1 ? [stride, 1] : [1, stride];
      const conv2 = conv3x3(width, stride3x3);
      return bottleneckBlock(shape, norm, conv, { width, stride1x1, conv2 });
    });
    return sequential(modules);
  };

  return [
    ['conv1', conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false, weightInit })],
    ['bn1', norm(64)],
    ['relu', relu()],
    ['maxpool', maxPool2d(3, { stride: 2, padding: 1 })],
    ['layer1', layer(1)],
    ['layer2', layer(2)],
    ['layer3', layer(3)],
    ['layer4', layer(4)],
  ];
}
