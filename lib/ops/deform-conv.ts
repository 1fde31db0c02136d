import { rejectUnknownOptions } from '../errors';
import { checkOptions } from '../nn/check';
import { pair, type Size2d } from '../nn/conv-arguments';
import type { Tensor } from '../tensor';
import { OperatorCall } from './call';

export interface DeformConv2dOptions {
  /** One number for each output channel. Default: none. */
  readonly bias?: Tensor;
  /**
   * Factor of each sampled value (version 2, https://arxiv.org/abs/1811.11168): N x (offset groups * kh * kw) x h x w.
   * Default: none.
   */
  readonly mask?: Tensor;
  /** Default 1. */
  readonly stride?: Size2d;
  /** Zeros on each side. Default 0. */
  readonly padding?: Size2d;
  /** Default 1. */
  readonly dilation?: Size2d;
}

/**
 * Deformable convolution: at every place each tap of the kernel is moved by an offset of its own, in pixels, and read by
 * bilinear interpolation. torchvision's `ops.deform_conv2d` (https://arxiv.org/abs/1703.06211). All tensors are floating
 * point of one dtype.
 *
 * @param input N x C x H x W
 * @param offset N x (offset groups * kh * kw * 2) x h x w: y and x of each tap, of the size of the output
 * @param weight C' x (C / groups) x kh x kw; both numbers of groups follow from the shapes
 * @returns N x C' x h x w
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_NATIVE where shapes do not fit
 */
export async function deformConv2d(
  input: Tensor,
  offset: Tensor,
  weight: Tensor,
  options: DeformConv2dOptions = {},
): Promise<Tensor> {
  const call = new OperatorCall('deformConv2d');
  checkOptions(call.where, options);
  rejectUnknownOptions(call.where, options, ['bias', 'mask', 'stride', 'padding', 'dilation']);
  const image = call.tensor('input', input, 4, '[N, C, H, W]');
  const kernel = call.tensor('weight', weight, 4, "[C', C / groups, kh, kw]");
  const offsets = call.tensor('offset', offset, 4, '[N, offset groups * kh * kw * 2, h, w]');
  const [channels = 0, groupChannels = 0] = [input.shape[1], weight.shape[1]];
  const [, , kernelHeight = 0, kernelWidth = 0] = weight.shape;
  const groups = channels / groupChannels;
  if (!Number.isInteger(groups)) {
    throw call.error(
      `the input's ${channels} channels are no multiple of the ${groupChannels} that the weight takes.`,
    );
  }
  const perGroup = 2 * kernelHeight * kernelWidth;
  const offsetGroups = (offset.shape[1] ?? 0) / perGroup;
  if (!Number.isInteger(offsetGroups) || offsetGroups < 1) {
    throw call.error(
      `offset must have a multiple of ${perGroup} channels (2 * ${kernelHeight} * ${kernelWidth}), got ${offset.shape[1] ?? 0}.`,
    );
  }
  const mask = '[N, offset groups * kh * kw, h, w]';
  return call.runForTensor(
    'torchdet::deform_conv2d',
    ...[image, offsets, kernel],
    options.bias === undefined ? null : call.tensor('bias', options.bias, 1, "[C']"),
    options.mask === undefined ? null : call.tensor('mask', options.mask, 4, mask),
    pair(call.where, 'stride', options.stride ?? 1, 1),
    pair(call.where, 'padding', options.padding ?? 0, 0),
    pair(call.where, 'dilation', options.dilation ?? 1, 1),
    groups,
    offsetGroups,
  );
}
