/** Augmentations: torchvision's presets, or transforms of one's own. */
import { nearestName, TorchdetError } from '../errors';
import type { Draft } from './augment-draft';
import type { RandomSource } from './augment-random';
import {
  fixedSizeCrop,
  horizontalFlip,
  iouCrop,
  photometricDistort,
  randomShortestSize,
  scaleJitter,
  type Transform,
  zoomOut,
} from './augment-transforms';

const presets = {
  /** Mirrors half of the images: R-CNN, RetinaNet, FCOS. */
  hflip: () => [horizontalFlip()],
  /** Large scale jitter to 1024 x 1024, and hflip. */
  lsj: () => [scaleJitter(), fixedSizeCrop(), horizontalFlip()],
  /** A shorter side of 480 to 800 pixels, and hflip. */
  multiscale: () => [randomShortestSize(), horizontalFlip()],
  /** Colours, zooming out, crops around objects, and hflip: SSD. */
  ssd: () => [photometricDistort(), zoomOut(), iouCrop(), horizontalFlip()],
  /** Crops around objects, and hflip: SSDlite. */
  ssdlite: () => [iouCrop(), horizontalFlip()],
  /** Images as they are. */
  none: () => [],
} satisfies Record<string, () => Transform[]>;

/** Names of torchvision's presets (references/detection/presets.py), and `none`. */
export type AugmentationName = keyof typeof presets;

/** All names, for command lines. */
export const augmentationNames = Object.keys(presets) as readonly AugmentationName[];

/** A preset by name, or transforms in the order in which they are applied. */
export type Augmentation = AugmentationName | readonly Transform[];

/**
 * The transforms that a name stands for; a list is given back as it is.
 *
 * @throws TorchdetError ERR_OPTION_VALUE for a name that there is not
 */
export function augmentation(choice: Augmentation): readonly Transform[] {
  if (typeof choice !== 'string') return choice;
  if (Object.hasOwn(presets, choice)) return presets[choice]();
  const nearest = nearestName(choice, augmentationNames);
  const hint = nearest ? ` Did you mean "${nearest}"?` : '';
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `augmentation: there is no preset "${choice}"; there are ${augmentationNames.join(', ')}.${hint}`,
  );
}

/**
 * Draws what becomes of one image. Boxes that end up with a side or an area below one pixel are dropped, as torchvision's
 * SanitizeBoundingBoxes does at the end of its presets.
 */
export function applyTransforms(
  transforms: readonly Transform[],
  draft: Draft,
  random: RandomSource,
): void {
  if (transforms.length === 0) return;
  for (const transform of transforms) transform(draft, random);
  draft.sanitize();
}
