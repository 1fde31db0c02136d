/** torchvision's one-stage models by name. */
import type { DenseConfig } from '../../../binding';
import type { DetectorSpec } from '../detector-spec';
import type { NamedModelOptions } from '../named-model';
import { modelByRecipe } from './recipe';
import type { Recipe } from './recipe';

export type DenseRecipe<Settings extends object> = Recipe<Settings, DenseConfig>;

/**
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN, ERR_BACKBONE_MISMATCH
 */
export function denseModel<Settings extends object>(
  recipe: DenseRecipe<Settings>,
  options: Settings & NamedModelOptions,
): DetectorSpec<DenseConfig> {
  return modelByRecipe(recipe, options);
}
