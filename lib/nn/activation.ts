/** Activations. They never work in place, so that a caller need not ask who else holds the tensor; the compiler fuses them. */
import { checkNumber } from './check';
import { module } from './module';
import { floatLiteral, tensorForward } from './source';
import type { ModuleSpec } from './spec';

export function relu(): ModuleSpec {
  return module('ReLU', { source: tensorForward('return torch.relu(x)') });
}

/** min(max(x, 0), 6), MobileNetV2's activation. */
export function relu6(): ModuleSpec {
  return module('ReLU6', { source: tensorForward('return torch.hardtanh(x, 0.0, 6.0)') });
}

/** x * relu6(x + 3) / 6, MobileNetV3's activation. */
export function hardswish(): ModuleSpec {
  return module('Hardswish', { source: tensorForward('return torch.hardswish(x)') });
}

/** relu6(x + 3) / 6. */
export function hardsigmoid(): ModuleSpec {
  return module('Hardsigmoid', { source: tensorForward('return torch.hardsigmoid(x)') });
}

/** x * sigmoid(x). */
export function silu(): ModuleSpec {
  return module('SiLU', { source: tensorForward('return torch.silu(x)') });
}

/** x times the normal distribution's share below x, the exact form: `torch.nn.GELU()`. */
export function gelu(): ModuleSpec {
  return module('GELU', { source: tensorForward("return torch.gelu(x, approximate='none')") });
}

export function sigmoid(): ModuleSpec {
  return module('Sigmoid', { source: tensorForward('return torch.sigmoid(x)') });
}

/** Passes its input on. */
export function identity(): ModuleSpec {
  return module('Identity', { source: tensorForward('return x') });
}

/**
 * Zeroes each element with `probability` in training, scaling the rest; passes its input on in evaluation.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function dropout(probability = 0.5): ModuleSpec {
  const p = floatLiteral(checkNumber('dropout', 'probability', probability, 0, 1));
  return module('Dropout', {
    source: tensorForward(`return torch.dropout(x, ${p}, self.training)`),
  });
}
