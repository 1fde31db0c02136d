import { PickleDict, PickleObject, type PickleValue, TensorReference } from './pickle-values';

/** A dictionary of tensors somewhere in a pickle. */
export interface StateDict {
  /** Keys that lead to it, joined by dots; empty where the file is the state dict itself. */
  path: string;
  dict: PickleDict;
  tensors: number;
}

/** Names training scripts give the weights, in order of preference; `ema` last, as it is the copy. */
const usualNames = [
  'model',
  'state_dict',
  'model_state_dict',
  'net',
  'network',
  'weights',
  'params',
  'module',
  'ema',
  'model_ema',
  'ema_state_dict',
];

/** Checkpoints nest one or two levels; deeper down there are only optimiser states. */
const maxDepth = 4;

/** All dictionaries with tensors in them, the one most likely meant first. */
export function findStateDicts(root: PickleValue): StateDict[] {
  const found: (StateDict & { depth: number })[] = [];
  const seen = new Set<PickleValue>();
  let level: { path: string; value: PickleValue }[] = [{ path: '', value: root }];
  for (let depth = 0; depth <= maxDepth && level.length > 0; depth++) {
    const next: typeof level = [];
    for (const { path, value } of level) {
      const dict = value instanceof PickleObject ? value.state : value;
      if (!(dict instanceof PickleDict) || seen.has(dict)) continue;
      seen.add(dict);
      let tensors = 0;
      for (const [key, child] of dict) {
        if (typeof key !== 'string') continue;
        if (child instanceof TensorReference) tensors++;
        else if (child instanceof PickleDict || child instanceof PickleObject) {
          next.push({ path: path === '' ? key : `${path}.${key}`, value: child });
        }
      }
      if (tensors > 0) found.push({ path, dict, tensors, depth });
    }
    level = next;
  }

  // An average of the weights has an entry or two more than the weights themselves: sizes count only when they differ.
  const most = Math.max(...found.map(({ tensors }) => tensors));
  const rank = ({ path }: StateDict): number => {
    const at = usualNames.indexOf(path.split('.').at(-1) ?? '');
    return at < 0 ? usualNames.length : at;
  };
  const small = ({ tensors }: StateDict): number => (tensors < 0.75 * most ? 1 : 0);
  return found.sort(
    (a, b) =>
      small(a) - small(b) ||
      (small(a) === 1 ? b.tensors - a.tensors : 0) ||
      a.depth - b.depth ||
      rank(a) - rank(b),
  );
}

/** `state_dict._metadata`: the versions of the modules by prefix. */
export function moduleVersions(dict: PickleDict): Map<string, number> {
  const versions = new Map<string, number>();
  const metadata = dict.attributes?.get('_metadata');
  if (!(metadata instanceof PickleDict)) return versions;
  for (const [prefix, local] of metadata) {
    const version = local instanceof PickleDict ? local.get('version') : undefined;
    if (typeof prefix === 'string' && typeof version === 'number') versions.set(prefix, version);
  }
  return versions;
}
