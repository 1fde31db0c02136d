import { createWriteStream } from 'node:fs';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { crc32 } from 'node:zlib';
import { type Entry, open, type ZipFile } from 'yauzl';
import { TorchdetError } from '../errors';

const TYPE_MASK = 0o170000;
const SYMLINK = 0o120000;

/**
 * Unpacks a zip file into a folder. Names that lead out of the folder are refused (yauzl checks them), links only point
 * to their own folder, and every file's CRC is checked, which yauzl leaves to its caller.
 *
 * @throws TorchdetError ERR_LIBTORCH_INSTALL where the file is no zip or is damaged
 */
export async function unzip(
  file: string,
  folder: string,
  options: {
    onProgress?: ((done: number, total: number) => void) | undefined;
    signal?: AbortSignal | undefined;
  } = {},
): Promise<void> {
  const { onProgress, signal } = options;
  const zip = await openZip(file).catch((error: unknown) => {
    throw damagedZip(file, error);
  });
  let done = 0;
  try {
    for (;;) {
      signal?.throwIfAborted();
      const entry = await nextEntry(zip).catch((error: unknown) => {
        throw damagedZip(file, error);
      });
      if (!entry) return;
      await unpack(zip, entry, join(folder, entry.fileName), {
        file,
        signal,
        // One of LibTorch's files is most of the archive: progress is told within files as well.
        onPart: (part) => onProgress?.(done + part * entry.compressedSize, zip.fileSize),
      });
      done += entry.compressedSize;
    }
  } finally {
    zip.close();
  }
}

async function unpack(
  zip: ZipFile,
  entry: Entry,
  path: string,
  options: {
    file: string;
    signal: AbortSignal | undefined;
    /** Told how much of the entry is written, 0 to 1. */
    onPart: (part: number) => void;
  },
): Promise<void> {
  const { file, signal, onPart } = options;
  if (entry.fileName.endsWith('/')) {
    await mkdir(path, { recursive: true });
    return;
  }
  await mkdir(dirname(path), { recursive: true });
  const mode = entry.externalFileAttributes >>> 16;
  const input = await openEntry(zip, entry).catch((error: unknown) => {
    throw damagedZip(file, error);
  });
  let crc = 0;
  let written = 0;
  const check = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      crc = crc32(chunk, crc);
      written += chunk.length;
      onPart(written / entry.uncompressedSize);
      next(null, chunk);
    },
    flush(next) {
      next(crc === entry.crc32 ? null : damagedZip(file, `"${entry.fileName}" fails its checksum`));
    },
  });
  if ((mode & TYPE_MASK) === SYMLINK) {
    const target = await pipeline(input, check, async (chunks: AsyncIterable<Buffer>) => {
      const parts: Buffer[] = [];
      for await (const chunk of chunks) parts.push(chunk);
      return Buffer.concat(parts).toString('utf8');
    });
    if (target !== basename(target) || target === '..' || target === '') {
      throw damagedZip(file, `"${entry.fileName}" is a link to "${target}", outside its folder`);
    }
    await symlink(target, path);
    return;
  }
  const writing = pipeline(input, check, createWriteStream(path), signal ? { signal } : {});
  await writing.catch((error: unknown) => {
    // zlib's own errors (a corrupt stream) mean the same as a wrong checksum; the disk's keep their code.
    const code = (error as NodeJS.ErrnoException).code ?? '';
    throw code.startsWith('Z_') ? damagedZip(file, error) : error;
  });
  if (mode & 0o111) await chmod(path, 0o755);
}

function openZip(file: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(file, { lazyEntries: true, autoClose: false }, (error, zip) => {
      if (error) reject(error);
      else resolve(zip);
    });
  });
}

/** The next entry, or undefined after the last. */
function nextEntry(zip: ZipFile): Promise<Entry | undefined> {
  return new Promise((resolve, reject) => {
    const settle = (action: () => void) => {
      zip.removeAllListeners('entry').removeAllListeners('end').removeAllListeners('error');
      action();
    };
    zip.once('entry', (entry: Entry) => {
      settle(() => {
        resolve(entry);
      });
    });
    zip.once('end', () => {
      settle(() => {
        resolve(undefined);
      });
    });
    zip.once('error', (error: Error) => {
      settle(() => {
        reject(error);
      });
    });
    zip.readEntry();
  });
}

function openEntry(zip: ZipFile, entry: Entry): Promise<Readable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, stream) => {
      if (error) reject(error);
      else resolve(stream);
    });
  });
}

function damagedZip(file: string, cause: unknown): TorchdetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TorchdetError(
    'ERR_LIBTORCH_INSTALL',
    `${file} is not a usable zip file: ${reason}. Download it again.`,
    { cause },
  );
}
