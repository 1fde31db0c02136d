import { closeSync, fstatSync, openSync, readSync } from 'node:fs';
import { open } from 'node:fs/promises';

import { kindOf } from '../arguments';
import { TorchdetError } from '../errors';
import { formatError } from './types';

/** Reads of more than 2 GiB fail on Linux, so big files come in pieces. */
const pieceSize = 1 << 30;

/**
 * JavaScript callers may pass anything.
 *
 * @throws TorchdetError ERR_INVALID_ARGUMENT
 */
export function checkSource(where: string, source: unknown): void {
  if (typeof source === 'string' || Buffer.isBuffer(source)) return;
  let hint = '';
  if (source instanceof URL) hint = '; fileURLToPath(url) gives the path';
  else if (ArrayBuffer.isView(source)) hint = '; Buffer.from(buffer, byteOffset, length) wraps it';
  throw new TorchdetError(
    'ERR_INVALID_ARGUMENT',
    `${where}: pass a file's path, or its bytes in a Buffer, got ${kindOf(source)}${hint}.`,
  );
}

/** Name for messages: the path, or what stands in for it. */
export function sourceName(source: string | Buffer): string {
  return typeof source === 'string' ? source : 'checkpoint buffer';
}

/** The whole file in one buffer of its own (aligned at 0, so that typed arrays can be views on it). */
export function readFileBytesSync(path: string): Buffer {
  let descriptor: number | undefined;
  try {
    descriptor = openSync(path, 'r');
    const stat = fstatSync(descriptor);
    const bytes = allocate(path, stat.isFile(), stat.size);
    let offset = 0;
    while (offset < bytes.length) {
      const wanted = Math.min(pieceSize, bytes.length - offset);
      const received = readSync(descriptor, bytes, offset, wanted, offset);
      if (received === 0) throw formatError(path, 'the file shrank while it was read.');
      offset += received;
    }
    return bytes;
  } catch (error) {
    throw fileError(path, error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/** {@link readFileBytesSync} off the event loop. */
export async function readFileBytes(path: string): Promise<Buffer> {
  try {
    const file = await open(path, 'r');
    try {
      const stat = await file.stat();
      const bytes = allocate(path, stat.isFile(), stat.size);
      let offset = 0;
      while (offset < bytes.length) {
        const wanted = Math.min(pieceSize, bytes.length - offset);
        const { bytesRead } = await file.read(bytes, offset, wanted, offset);
        if (bytesRead === 0) throw formatError(path, 'the file shrank while it was read.');
        offset += bytesRead;
      }
      return bytes;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw fileError(path, error);
  }
}

function allocate(path: string, isFile: boolean, size: number): Buffer {
  if (!isFile) throw new TorchdetError('ERR_FILE', `${path}: is not a file.`);
  try {
    return Buffer.allocUnsafeSlow(size);
  } catch (error) {
    throw new TorchdetError(
      'ERR_OUT_OF_MEMORY',
      `${path}: its ${size} bytes do not fit into one buffer of this Node.js.`,
      { cause: error },
    );
  }
}

/** Errors of the file system as ERR_FILE; our own pass through. */
export function fileError(path: string, error: unknown): TorchdetError {
  if (error instanceof TorchdetError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  const reason =
    code === 'ENOENT'
      ? 'no such file'
      : code === 'EACCES'
        ? 'permission denied'
        : (error as Error).message;
  return new TorchdetError('ERR_FILE', `${path}: cannot be read: ${reason}.`, { cause: error });
}
