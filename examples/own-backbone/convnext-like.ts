/** A backbone of one's own: ConvNeXt (https://arxiv.org/abs/2201.03545), with torchvision's names so that its weights fit. */
import { nn, withFeaturePyramid } from 'torchdet';
import type { Backbone, FeaturePyramidOptions } from 'torchdet';

export interface ConvNextOptions extends FeaturePyramidOptions {
  /** Blocks and channels of each stage. Default those of ConvNeXt-Tiny; stage i has stride 4 << i. */
  readonly blocks?: readonly number[];
  readonly channels?: readonly number[];
}

const init = { weightInit: nn.normal(0, 0.02), biasInit: nn.zeros };
const eps = 1e-6;

/** A depthwise 7x7 convolution, then a two-layer network on the channels of each pixel, added to what came in. */
function block(channels: number): nn.ModuleSpec {
  const layers = nn.sequential([
    nn.conv2d(channels, channels, 7, { padding: 3, groups: channels, ...init }),
    nn.permute([0, 2, 3, 1]),
    nn.layerNorm(channels, { eps }),
    nn.linear(channels, 4 * channels, init),
    nn.gelu(),
    nn.linear(4 * channels, channels, init),
    nn.permute([0, 3, 1, 2]),
  ]);
  return nn.module('ConvNextBlock', {
    parameters: { layer_scale: { shape: [channels, 1, 1], init: nn.constant(1e-6) } },
    children: [['block', layers]],
    source: nn.tensorForward('return x + self.layer_scale * self.block.forward(x)'),
  });
}

export function convNextLike(options: ConvNextOptions = {}): Backbone {
  const { blocks = [3, 3, 9, 3], channels = [96, 192, 384, 768], ...pyramid } = options;
  const parts = channels.flatMap((outC, stage) => {
    const inC = channels[stage - 1];
    const norm = (features: number) => nn.layerNorm2d(features, { eps });
    const downsample =
      inC === undefined
        ? [nn.conv2d(3, outC, 4, { stride: 4, ...init }), norm(outC)]
        : [norm(inC), nn.conv2d(inC, outC, 2, { stride: 2, ...init })];
    const stageBlocks = Array.from({ length: blocks[stage] ?? 1 }, () => block(outC));
    return [nn.sequential(downsample), nn.sequential(stageBlocks)];
  });
  return withFeaturePyramid(
    {
      name: 'convnext-like',
      children: parts.map((part, i) => [`${i}`, part] as const),
      levels: channels.map((c, i) => ({ child: `${2 * i + 1}`, channels: c, stride: 4 << i })),
      pretrained: { weights: 'convnext_tiny', from: 'features.' },
    },
    pyramid,
  );
}
