/** What the cases of the one-stage families share, as test/oracle/dense_cases.py. */
import { resnetFpn } from '../../../lib/backbones';
import type { Backbone, ResnetFpnOptions, ResnetName } from '../../../lib/backbones';
import type { DetectorSpec } from '../../../lib/models';

export type Cases = Readonly<Record<string, () => DetectorSpec>>;

export const SIZE = { minSize: 96, maxSize: 160 };

export const TRANSFORM = {
  minSize: [64, 80, 101],
  maxSize: 131,
  imageMean: [0.4, 0.5, 0.6],
  imageStd: [0.3, 0.2, 0.25],
  sizeDivisible: 64,
};

export function resnetP6p7(
  name: ResnetName = 'resnet18',
  extraBlocks: ResnetFpnOptions['extraBlocks'] = 'p6p7',
): Backbone {
  return resnetFpn(name, { returnedLayers: [2, 3, 4], extraBlocks });
}
