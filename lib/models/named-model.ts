/** What torchvision's builder functions share: which weights are to come decides the norm and what is frozen. */
import { checkChoice, checkInteger } from '../nn/check';
import type { FasterRcnnSettings } from './faster-rcnn-options';

/** Weights that will be loaded: of the whole detector, of the backbone as a classifier, or none. */
export type Pretrained = 'detector' | 'backbone' | false;

/** Options of a model by torchvision's name: those of `fasterRcnn` without the backbone, and these. */
export interface NamedModelOptions extends FasterRcnnSettings {
  /** Classes **with the background**, which is label 0: kinds of object + 1. Default 91, COCO's. */
  readonly numClasses?: number;
  /**
   * Weights that will be loaded into the model. With any, norms are frozen and the first layers too; with none (false, the
   * default) norms are plain BatchNorm and everything trains.
   */
  readonly pretrained?: Pretrained;
  /** How many layers of the backbone train, from its head. Default 3. Without effect where nothing is pretrained. */
  readonly trainableBackboneLayers?: number;
  /** eps of the backbone's norm. Default 1e-5, and 0 for the weights that torchvision trained so. */
  readonly normEps?: number;
}

/** Names of the options above that `fasterRcnn` does not have. */
export const NAMED_MODEL_OPTIONS: readonly Exclude<
  keyof NamedModelOptions,
  keyof FasterRcnnSettings
>[] = ['numClasses', 'pretrained', 'trainableBackboneLayers', 'normEps'];

export interface BackboneTraining {
  readonly pretrained: Pretrained;
  readonly trainableLayers: number;
  readonly norm: 'frozen' | 'batch';
  readonly warnings: readonly string[];
}

/** torchvision's rules for norm and trainable layers; `max` is the number of layers the backbone has. */
export function backboneTraining(
  where: string,
  options: NamedModelOptions,
  max: number,
): BackboneTraining {
  const choices: readonly Pretrained[] = ['detector', 'backbone', false];
  const pretrained = checkChoice(where, 'pretrained', options.pretrained ?? false, choices);
  const given = options.trainableBackboneLayers;
  const trainableLayers = checkInteger(where, 'trainableBackboneLayers', given ?? 3, 0, max);
  if (pretrained !== false) return { pretrained, trainableLayers, norm: 'frozen', warnings: [] };
  const warning = `${where}: trainableBackboneLayers ${trainableLayers} has no effect without pretrained weights: all ${max} layers of the backbone train.`;
  return {
    pretrained,
    trainableLayers: max,
    norm: 'batch',
    warnings: given === undefined || given === max ? [] : [warning],
  };
}
