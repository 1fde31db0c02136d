import { rejectUnknownOptions } from '../errors';
import { checkSource, readFileBytes, sourceName } from './file-bytes';
import { findStateDicts, moduleVersions } from './find-state-dict';
import { readLegacyPickle } from './legacy-pickle';
import { TensorReference } from './pickle-values';
import { parseSafetensors } from './safetensors';
import { sniffCheckpoint } from './sniff';
import { TensorViews } from './tensor-views';
import { type Checkpoint, type CheckpointTensor, formatError } from './types';
import { readZipPickle } from './zip-pickle';

export interface ReadCheckpointOptions {
  /**
   * Which dictionary of a nested checkpoint to take: its keys joined by dots, for example `ema` or `state.model`.
   * Default: the top level, a usual name (`model`, `state_dict`, `net` …) or the dictionary with most tensors.
   */
  source?: string;
}

/** Wrappers that put a prefix before every name: DataParallel and DistributedDataParallel, torch.compile. */
const wrapperPrefixes = ['module.', '_orig_mod.'];

/**
 * Reads a weights file of any kind torchdet knows, judged by its content: torch's zip archives, its older pickles and
 * safetensors. Nothing in the file is executed. Finds the state dict where it is nested, and takes the prefixes of
 * DataParallel (`module.`) and torch.compile (`_orig_mod.`) off the names.
 *
 * @param source a path, or the file's bytes
 * @returns tensors by name; `metadata.format`, and for pickles `metadata.source` (where the state dict was found,
 *   empty for the top level), `metadata.otherSources` and `metadata.strippedPrefix`
 * @throws TorchdetError ERR_CHECKPOINT_FORMAT where the file is damaged, of another kind or without tensors,
 *   ERR_CHECKPOINT_UNSAFE where it wants to run something, ERR_FILE where it cannot be read, ERR_INVALID_ARGUMENT where `source` is
 *   neither of them
 */
export async function readCheckpoint(
  source: string | Buffer,
  options: ReadCheckpointOptions = {},
): Promise<Checkpoint> {
  checkSource('readCheckpoint', source);
  rejectUnknownOptions('readCheckpoint', options, ['source']);
  const where = sourceName(source);
  const bytes = typeof source === 'string' ? await readFileBytes(source) : source;
  const kind = await sniffCheckpoint(bytes, where);
  switch (kind) {
    case 'safetensors': {
      const { tensors, metadata } = parseSafetensors(bytes, where);
      return stripWrappers({ tensors, metadata: { ...metadata, format: kind } });
    }
    case 'zip-pickle':
    case 'legacy-pickle':
      return stripWrappers(await readPickle(kind, bytes, where, options.source));
    case 'torchscript':
      throw formatError(
        where,
        'this is a TorchScript archive: a whole model, not a state dict. Open it with Detector.load.',
      );
    case 'unknown':
      throw formatError(where, describeUnknown(bytes));
  }
}

function describeUnknown(bytes: Buffer): string {
  if (bytes.length === 0) return 'the file is empty.';
  const start = bytes.toString('latin1', 0, 300);
  if (/^\s*(<!doctype|<html|<\?xml)/i.test(start)) {
    return 'this is a web page, not a checkpoint: the download was answered by a login or an error page.';
  }
  if (start.startsWith('version https://git-lfs')) {
    return 'this is a Git LFS pointer, not the checkpoint it stands for: fetch it with git lfs pull.';
  }
  const found =
    bytes[0] === 0x80
      ? ' It begins like a Python pickle, but not like one of torch.save.'
      : bytes.readUInt8(0) === 0x50 && bytes[1] === 0x4b
        ? ' It is a zip archive without a data.pkl.'
        : '';
  return `not a checkpoint: neither a file of torch.save nor safetensors.${found}`;
}

async function readPickle(
  kind: 'zip-pickle' | 'legacy-pickle',
  bytes: Buffer,
  where: string,
  wanted: string | undefined,
): Promise<Checkpoint> {
  const { root, bytesOf } =
    kind === 'zip-pickle' ? await readZipPickle(bytes, where) : readLegacyPickle(bytes, where);
  const candidates = findStateDicts(root);
  const chosen =
    wanted === undefined ? candidates[0] : candidates.find(({ path }) => path === wanted);
  if (chosen === undefined) {
    const places = candidates.map(({ path }) => JSON.stringify(path)).join(', ');
    throw formatError(
      where,
      wanted === undefined || candidates.length === 0
        ? 'holds no dictionary of tensors: it is no state dict. Save model.state_dict() in Python.'
        : `has no tensors under ${JSON.stringify(wanted)}; they are under ${places}.`,
    );
  }

  const views = new TensorViews(where, bytesOf, bytes.length);
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, value] of chosen.dict) {
    if (typeof name === 'string' && value instanceof TensorReference) {
      tensors.set(name, views.make(name, value));
    }
  }
  const others = candidates.filter((other) => other !== chosen).map(({ path }) => path);
  return {
    tensors,
    metadata: {
      format: kind,
      source: chosen.path,
      ...(others.length > 0 ? { otherSources: others.join(', ') } : {}),
    },
    versions: moduleVersions(chosen.dict),
  };
}

/** Takes wrappers' prefixes off, as often as all names carry them. AveragedModel's counter stands outside of them. */
function stripWrappers(checkpoint: Checkpoint): Checkpoint {
  const { metadata, versions } = checkpoint;
  let { tensors } = checkpoint;
  let stripped = '';
  for (;;) {
    const names = [...tensors.keys()].filter((name) => name !== 'n_averaged');
    const prefix = wrapperPrefixes.find((candidate) =>
      names.every((name) => name.startsWith(candidate) && name.length > candidate.length),
    );
    if (prefix === undefined || names.length === 0) break;
    stripped += prefix;
    tensors = new Map(
      [...tensors]
        .filter(([name]) => name !== 'n_averaged')
        .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
    );
  }
  if (stripped === '') return checkpoint;
  const result: Checkpoint = { tensors, metadata: { ...metadata, strippedPrefix: stripped } };
  if (versions) {
    result.versions = new Map(
      [...versions]
        .filter(([prefix]) => `${prefix}.`.startsWith(stripped))
        .map(([prefix, version]) => [prefix.slice(stripped.length), version]),
    );
  }
  return result;
}
