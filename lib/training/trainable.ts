import type { NativeModule } from '../../binding';
import { optionError } from '../errors';
import { checkPrefixes, hasPrefix } from './groups';

/**
 * Freezes parameters or lets them train.
 *
 * @returns the names of all that are frozen now
 * @throws TorchdetError ERR_OPTION_VALUE where a prefix fits no parameter; nothing is changed then
 */
export async function setTrainable(
  module: NativeModule,
  where: string,
  prefixes: string | readonly string[],
  trainable: boolean,
): Promise<string[]> {
  const list: readonly unknown[] = Array.isArray(prefixes) ? prefixes : [prefixes];
  const isPrefix = (prefix: unknown): prefix is string => typeof prefix === 'string';
  if (!list.every(isPrefix)) {
    throw optionError(where, 'prefixes', prefixes, 'beginnings of parameter names');
  }
  const parameters = (await module.names()).filter(({ kind }) => kind === 'parameter');
  checkPrefixes(
    where,
    list,
    parameters.map(({ name }) => name),
  );
  const isChosen = (name: string) => list.some((prefix) => hasPrefix(name, prefix));
  const chosen = parameters.map(({ name }) => name).filter(isChosen);
  await module.setRequiresGrad(chosen, trainable);
  return parameters
    .filter(({ name, requiresGrad }) => !(isChosen(name) ? trainable : requiresGrad))
    .map(({ name }) => name);
}
