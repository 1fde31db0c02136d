/** Which parameters go together: by prefixes of their names, and by what they are. */
import type { NativeParameterGroup, StateEntry } from '../../binding';
import { nearestName, optionError, TorchdetError } from '../errors';
import type { DecayOptions, OptimizerDescription } from './optimizer-options';

/** A prefix ends at a dot: `backbone` takes in `backbone.body.…` and not `backbone2.…`. */
export function hasPrefix(name: string, prefix: string): boolean {
  return name === prefix || name.startsWith(prefix.endsWith('.') ? prefix : `${prefix}.`);
}

/** All the beginnings of the names up to a dot, for suggestions. */
function knownPrefixes(names: readonly string[]): Set<string> {
  const prefixes = new Set<string>();
  for (const name of names) {
    const parts = name.split('.');
    for (let i = 1; i <= parts.length; i++) prefixes.add(parts.slice(0, i).join('.'));
  }
  return prefixes;
}

/**
 * @throws TorchdetError ERR_OPTION_VALUE where no parameter's name begins so: a misspelt prefix would silently do nothing
 */
export function checkPrefixes(
  where: string,
  prefixes: readonly string[],
  names: readonly string[],
): void {
  const unknown = prefixes.find((prefix) => !names.some((name) => hasPrefix(name, prefix)));
  if (unknown === undefined) return;
  const nearest = nearestName(unknown, knownPrefixes(names));
  const top = [...new Set(names.map((name) => name.split('.')[0]))].join(', ');
  const hint = nearest === undefined ? `They begin with ${top}.` : `Did you mean "${nearest}"?`;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: no parameter's name begins with ${JSON.stringify(unknown)}. ${hint}`,
  );
}

type Role = 'weight' | 'norm' | 'bias';

/**
 * Weights of norm layers are those of one dimension: the layers' kinds are not to be seen in a state dict, and all others have
 * more (convolutions four, linear layers two).
 */
function roleOf(entry: StateEntry, byName: ReadonlyMap<string, StateEntry>): Role {
  const [, parent = '', own = entry.name] = /^(.*\.)?([^.]*)$/.exec(entry.name) ?? [];
  const isNorm = byName.get(`${parent}weight`)?.shape.length === 1;
  if (isNorm && (own === 'weight' || own === 'bias')) return 'norm';
  return own === 'bias' ? 'bias' : 'weight';
}

/** What falls to a parameter of that kind: the group's own, then the optimizer's, for each in this order. */
function decayOf(role: Role, group: DecayOptions, all: OptimizerDescription): number {
  const rest = group.weightDecay ?? all.weightDecay;
  if (role === 'norm') return group.normWeightDecay ?? all.normWeightDecay ?? rest;
  if (role === 'bias') return group.biasWeightDecay ?? all.biasWeightDecay ?? rest;
  return rest;
}

/**
 * The groups an optimizer is made of: parameters by the description's groups, those of no group last, each divided by weight
 * decay. All parameters are in one, in the model's order; frozen ones too, so that they may be unfrozen later.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where a prefix fits nothing
 */
export function parameterGroups(
  description: OptimizerDescription,
  entries: readonly StateEntry[],
): NativeParameterGroup[] {
  const parameters = entries.filter(({ kind }) => kind === 'parameter');
  const names = parameters.map(({ name }) => name);
  if (names.length === 0) {
    throw optionError('optimizer', 'detector', 'a model without parameters', 'one with some');
  }
  const byName = new Map(parameters.map((entry) => [entry.name, entry]));
  for (const { prefixes } of description.groups) checkPrefixes('optimizer', prefixes, names);

  const rest = { prefixes: [], lr: description.lr };
  const buckets = new Map<string, { names: string[]; lr: number; weightDecay: number }>();
  const all = [...description.groups, rest];
  for (const [index, group] of all.entries()) {
    for (const entry of parameters) {
      const owner = description.groups.findIndex(({ prefixes }) =>
        prefixes.some((prefix) => hasPrefix(entry.name, prefix)),
      );
      if ((owner < 0 ? all.length - 1 : owner) !== index) continue;
      const weightDecay = decayOf(roleOf(entry, byName), group, description);
      const key = `${index} ${weightDecay}`;
      const bucket = buckets.get(key);
      if (bucket) bucket.names.push(entry.name);
      else {
        buckets.set(key, { names: [entry.name], lr: group.lr ?? description.lr, weightDecay });
      }
    }
  }
  return [...buckets.values()];
}
