/** ResNet (https://arxiv.org/abs/1512.03385), ResNeXt and Wide ResNet, as torchvision builds them (stride in the 3x3). */
import { relu } from '../nn/activation';
import { sequential } from '../nn/containers';
import { conv2d } from '../nn/conv';
import { kaimingNormal } from '../nn/init';
import { module } from '../nn/module';
import { maxPool2d } from '../nn/pooling';
import { tensorForward } from '../nn/source';
import type { NormLayer } from '../nn/norm';
import type { ModuleSpec } from '../nn/spec';
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

const weightInit = kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' });

function conv(inC: number, outC: number, kernel: 1 | 3, stride = 1, groups = 1): ModuleSpec {
  const padding = kernel === 3 ? 1 : 0;
  return conv2d(inC, outC, kernel, { stride, padding, groups, bias: false, weightInit });
}

interface BlockShape {
  readonly inChannels: number;
  readonly planes: number;
  readonly stride: number;
  readonly downsample: ModuleSpec | null;
}

function basicBlock(
  { inChannels, planes, stride, downsample }: BlockShape,
  norm: NormLayer,
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
  shape: BlockShape,
  norm: NormLayer,
  architecture: ResnetArchitecture,
): ModuleSpec {
  const { inChannels, planes, stride, downsample } = shape;
  const { groups, widthPerGroup } = architecture;
  const width = Math.floor((planes * widthPerGroup) / 64) * groups;
  return module('Bottleneck', {
    children: [
      ['conv1', conv(inChannels, width, 1)],
      ['bn1', norm(width)],
      ['conv2', conv(width, width, 3, stride, groups)],
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
export function resnetChildren(architecture: ResnetArchitecture, norm: NormLayer): Children {
  const expansion = resnetStageChannels(architecture) / 64;
  let inChannels = 64;

  const layer = (planes: number, blocks: number, firstStride: number): ModuleSpec => {
    const outChannels = planes * expansion;
    const modules = Array.from({ length: blocks }, (_, i) => {
      const stride = i === 0 ? firstStride : 1;
      const downsample =
        stride !== 1 || inChannels !== outChannels
          ? sequential([conv(inChannels, outChannels, 1, stride), norm(outChannels)])
          : null;
      const shape = { inChannels, planes, stride, downsample };
      inChannels = outChannels;
      return architecture.block === 'basic'
        ? basicBlock(shape, norm)
        : bottleneckBlock(shape, norm, architecture);
    });
    return sequential(modules);
  };

  const [blocks1, blocks2, blocks3, blocks4] = architecture.layers;
  return [
    ['conv1', conv2d(3, 64, 7, { stride: 2, padding: 3, bias: false, weightInit })],
    ['bn1', norm(64)],
    ['relu', relu()],
    ['maxpool', maxPool2d(3, { stride: 2, padding: 1 })],
    ['layer1', layer(64, blocks1, 1)],
    ['layer2', layer(128, blocks2, 2)],
    ['layer3', layer(256, blocks3, 2)],
    ['layer4', layer(512, blocks4, 2)],
  ];
}
