import { open } from 'node:fs/promises';

import { fileError, sourceName } from './file-bytes';
import { isLegacyPickle } from './legacy-pickle';
import { zipNames } from './zip-entries';

/** What a weights file turned out to be, judged by its content. */
export type CheckpointKind =
  'zip-pickle' | 'legacy-pickle' | 'safetensors' | 'torchscript' | 'unknown';

/**
 * Recognises a weights file by its first bytes and, for zip archives, by the names in it. Names of files do not matter.
 *
 * @param source a path, or the file's bytes
 * @param where names the file in errors
 * @throws TorchdetError ERR_FILE where the file cannot be read, ERR_CHECKPOINT_FORMAT for a damaged zip archive
 */
export async function sniffCheckpoint(
  source: string | Buffer,
  where = sourceName(source),
): Promise<CheckpointKind> {
  const { head, size } =
    typeof source === 'string' ? await readHead(source) : { head: source, size: source.length };
  if (head.length >= 4 && head.readUInt32LE(0) === 0x04034b50) {
    const names = await zipNames(source, where);
    if (names.some((name) => /^[^/]+\/(code\/|constants\.pkl$)/.test(name))) return 'torchscript';
    return names.some((name) => /^[^/]+\/data\.pkl$/.test(name)) ? 'zip-pickle' : 'unknown';
  }
  if (isLegacyPickle(head)) return 'legacy-pickle';
  const looksLikeHeader =
    head.length >= 9 && head.readBigUInt64LE(0) <= BigInt(size - 8) && head[8] === 0x7b;
  return looksLikeHeader ? 'safetensors' : 'unknown';
}

async function readHead(path: string): Promise<{ head: Buffer; size: number }> {
  try {
    const file = await open(path, 'r');
    try {
      const { buffer, bytesRead } = await file.read(Buffer.alloc(32), 0, 32, 0);
      return { head: buffer.subarray(0, bytesRead), size: (await file.stat()).size };
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}
