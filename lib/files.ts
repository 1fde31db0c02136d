/** Writing files so that they are there whole or not at all. */
import { randomBytes } from 'node:crypto';
import { open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TorchdetError } from './errors';

export function fileError(action: string, path: string, cause: unknown): TorchdetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TorchdetError('ERR_FILE', `Could not ${action} ${path}: ${reason}`, { cause });
}

/** Makes what was renamed or created in a folder outlast a loss of power. */
async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

/**
 * Puts a file in its place whole or not at all: written beside it, brought to the disk, renamed.
 *
 * @param write writes the file at the path it is given
 * @throws TorchdetError ERR_FILE, and what `write` throws
 */
export async function replaceFile(
  path: string,
  write: (part: string) => Promise<void>,
): Promise<void> {
  const part = `${path}.${process.pid}.${randomBytes(3).toString('hex')}.part`;
  try {
    await write(part);
    const file = await open(part, 'r+');
    try {
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(part, path);
    await syncFolder(dirname(path));
  } catch (cause) {
    await rm(part, { force: true });
    throw cause instanceof TorchdetError ? cause : fileError('write', path, cause);
  }
}
