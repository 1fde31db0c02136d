import type { Binding, NativeModule } from '../../binding';
import { TorchdetError } from '../errors';
import type { Tensor } from '../tensor';
import { loadDetectorWeights, openWeights } from './weights';

const SHOWN = 8;

function listed(what: string, names: readonly string[]): string {
  if (names.length === 0) return '';
  return ` ${what} (${names.length}): ${names.slice(0, SHOWN).join(', ')}.`;
}

/**
 * Copies a whole state into a detector's module.
 *
 * @param model what messages call the detector
 * @param state tensors by name, or a file's path
 * @throws TorchdetError ERR_STATE_DICT listing what is missing, unexpected or of another shape; nothing is changed then
 */
export async function loadState(
  module: NativeModule,
  binding: Binding,
  model: string,
  state: Readonly<Record<string, Tensor>> | string,
): Promise<void> {
  if (typeof state === 'string') {
    await loadDetectorWeights(module, binding, await openWeights(state, undefined, {}));
    return;
  }
  const names = new Set((await module.names()).map(({ name }) => name));
  const missing = [...names].filter((name) => !(name in state));
  const unexpected = Object.keys(state).filter((name) => !names.has(name));
  if (missing.length > 0 || unexpected.length > 0) {
    const problems = listed('Missing', missing) + listed('Unexpected', unexpected);
    throw new TorchdetError('ERR_STATE_DICT', `The state does not fit ${model}.${problems}`);
  }
  await module.loadState(
    Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, tensor.native])),
  );
}
