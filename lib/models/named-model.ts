/** What torchvision's builder functions share: which weights are to come decides the norm and what is frozen. */
import { checkChoice, checkInteger } from '../nn/check';

/** Weights that will be loaded: of the whole detector, of the backbone as a classifier, or none. */
export type Pretrained = 'detector' | 'backbone' | false;

/** Options of every model by torchvision's name, beside the settings of its family. */
export interface NamedModelOptions {
  /**
   * Classes **with the background**, which is label 0: kinds of object + 1. Default 91, COCO's. RetinaNet and FCOS have no
   * background class, but torchvision counts label 0 there too, and so does torchdet.
   */
  readonly numClasses?: number;
  /**
   * Weights that will be loaded into the model. With any, norms are frozen and the first layers too; with none (false, the
   * default) norms are plain BatchNorm and everything trains.
   */
  readonly pretrained?: Pretrained;
  /** How many layers of the backbone train, from its head. Default: the model's own. Without effect where nothing is pretrained. */
  readonly trainableBackboneLayers?: number;
  /** eps of the backbone's norm. Default 1e-5, and 0 for the weights that torchvision trained so. */
  readonly normEps?: number;
}

/** Names of the options above. */
export const NAMED_MODEL_OPTIONS: readonly (keyof NamedModelOptions)[] = [
  'numClasses',
  'pretrained',
  'trainableBackboneLayers',
  'normEps',
];

/** Classes of the published COCO weights, the background and the unused numbers included. */
export const COCO_CLASSES = 91;

export interface BackboneTraining {
  readonly pretrained: Pretrained;
  readonly trainableLayers: number;
  readonly norm: 'frozen' | 'batch';
  readonly warnings: readonly string[];
}

export interface TrainableLayersRules {
  /** Whether weights will come, of the detector or of its backbone. */
  readonly pretrained: boolean;
  /** Layers the backbone has: 5 for ResNets and SSD's VGG, 6 for MobileNets. */
  readonly max: number;
  /** How many train where nothing is given and weights will come: 3, for SSD 4, for SSDlite all 6. */
  readonly fallback: number;
}

/**
 * How many layers of the backbone train: torchvision's `_validate_trainable_layers`. With weights to come, what is given, else
 * `fallback`. Without, all of them, with a warning where a number was given. Unlike torchvision, a number out of range is an
 * error without weights too.
 *
 * @param where what the messages begin with, for example the model's name
 * @throws TorchdetError ERR_OPTION_VALUE for anything but an integer from 0 to `max`
 */
export function validateTrainableLayers(
  where: string,
  given: number | undefined,
  { pretrained, max, fallback }: TrainableLayersRules,
): { readonly trainableLayers: number; readonly warnings: readonly string[] } {
  const layers = checkInteger(where, 'trainableBackboneLayers', given ?? fallback, 0, max);
  if (pretrained) return { trainableLayers: layers, warnings: [] };
  const warning = `${where}: trainableBackboneLayers ${layers} has no effect without pretrained weights: all ${max} layers of the backbone train.`;
  return { trainableLayers: max, warnings: given === undefined ? [] : [warning] };
}

/**
 * torchvision's rules for norm and trainable layers.
 *
 * @param max the number of layers the backbone has
 * @param fallback how many train where nothing was said and weights will come
 */
export function backboneTraining(
  where: string,
  options: NamedModelOptions,
  max: number,
  fallback = 3,
): BackboneTraining {
  const choices: readonly Pretrained[] = ['detector', 'backbone', false];
  const pretrained = checkChoice(where, 'pretrained', options.pretrained ?? false, choices);
  const rules = { pretrained: pretrained !== false, max, fallback };
  return {
    pretrained,
    norm: pretrained === false ? 'batch' : 'frozen',
    ...validateTrainableLayers(where, options.trainableBackboneLayers, rules),
  };
}
