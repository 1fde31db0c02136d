import { rejectUnknownOptions } from '../errors';
import { checkBoolean, checkInteger } from './check';
import { torchDefaultBias, torchDefaultWeight } from './init';
import { module } from './module';
import { tensorForward } from './source';
import type { Initializer, ModuleSpec } from './spec';

export interface LinearOptions {
  /** Default true. */
  readonly bias?: boolean;
  /** Default torch's: Kaiming uniform with a = sqrt(5). */
  readonly weightInit?: Initializer;
  /** Default torch's: uniform within 1 / sqrt(inFeatures). */
  readonly biasInit?: Initializer;
}

/**
 * `torch.nn.Linear`: … x inFeatures to … x outFeatures. Parameters `weight` (outFeatures x inFeatures) and `bias`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function linear(
  inFeatures: number,
  outFeatures: number,
  options: LinearOptions = {},
): ModuleSpec {
  const where = 'linear';
  rejectUnknownOptions(where, options, ['bias', 'weightInit', 'biasInit']);
  checkInteger(where, 'inFeatures', inFeatures, 1);
  checkInteger(where, 'outFeatures', outFeatures, 1);
  const bias = checkBoolean(where, 'bias', options.bias ?? true);
  return module('Linear', {
    parameters: {
      weight: { shape: [outFeatures, inFeatures], init: options.weightInit ?? torchDefaultWeight },
      ...(bias && {
        bias: { shape: [outFeatures], init: options.biasInit ?? torchDefaultBias(inFeatures) },
      }),
    },
    source: tensorForward(`return torch.linear(x, self.weight, ${bias ? 'self.bias' : 'None'})`),
  });
}
