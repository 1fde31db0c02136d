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

/**
 * torchvision's rules for norm and trainable layers (`_validate_trainable_layers`).
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
  const given = options.trainableBackboneLayers;
  const trainableLayers = checkInteger(where, 'trainableBackboneLayers', given ?? fallback, 0, max);
  if (pretrained !== false) return { pretrained, trainableLayers, norm: 'frozen', warnings: [] };
  const warning = `${where}: trainableBackboneLayers ${trainableLayers} has no effect without pretrained weights: all ${max} layers of the backbone train.`;
  return {
    pretrained,
    trainableLayers: max,
    norm: 'batch',
    warnings: given === undefined || given === max ? [] : [warning],
  };
}
