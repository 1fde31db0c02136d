/** What torchvision's models by name share: a builder, a backbone chosen by what is pretrained, and settings. */
import type { DenseConfig, RcnnConfig } from '../../../binding';
import type { Backbone } from '../../backbones/backbone';
import { givenOptions, omit } from '../../backbones/options';
import type { DetectorSpec } from '../detector-spec';
import { backboneTraining, COCO_CLASSES, NAMED_MODEL_OPTIONS } from '../named-model';
import type { BackboneTraining, NamedModelOptions } from '../named-model';
import { checkKnown } from './checks';

/** How a model by name differs from its family's builder. */
export interface Recipe<Settings extends object, Config extends RcnnConfig | DenseConfig> {
  readonly name: string;
  /** Layers of the backbone that can be frozen. */
  readonly layers: number;
  /** How many of them train by default where weights are to come. Default 3. */
  readonly trainableLayers?: number;
  readonly backbone: (training: BackboneTraining, normEps: number) => Backbone;
  /** The family's builder, and the names of its settings. */
  readonly build: (
    options: Settings & { readonly backbone: Backbone; readonly numClasses: number },
  ) => DetectorSpec<Config>;
  readonly known: readonly string[];
  /** Settings where the model differs from the builder's defaults. */
  readonly settings: Settings;
  /** Classes by default, the background included. Default 91, COCO's. */
  readonly numClasses?: number;
  /** eps that the published detector was trained with. Default `normEps`. */
  readonly publishedEps?: number;
  /** eps of the backbone's norm otherwise. Default 1e-5. */
  readonly normEps?: number;
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN, ERR_BACKBONE_MISMATCH
 */
export function modelByRecipe<Settings extends object, Config extends RcnnConfig | DenseConfig>(
  recipe: Recipe<Settings, Config>,
  options: Settings & NamedModelOptions,
): DetectorSpec<Config> {
  const { name } = recipe;
  checkKnown(name, options, [...NAMED_MODEL_OPTIONS, ...recipe.known]);
  const training = backboneTraining(name, options, recipe.layers, recipe.trainableLayers);
  const published = training.pretrained === 'detector' ? recipe.publishedEps : undefined;
  const eps = options.normEps ?? published ?? recipe.normEps ?? 1e-5;
  const spec = recipe.build({
    ...recipe.settings,
    ...givenOptions(omit(options, NAMED_MODEL_OPTIONS)),
    backbone: recipe.backbone(training, eps),
    numClasses: options.numClasses ?? recipe.numClasses ?? COCO_CLASSES,
  });
  return {
    ...spec,
    name,
    warnings: [...training.warnings, ...spec.warnings],
    description: { ...spec.description, builder: name, options: givenOptions(options) },
  };
}
