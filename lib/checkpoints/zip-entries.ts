import { type Entry, fromBuffer, open, type ZipFile } from 'yauzl';

import { TorchdetError } from '../errors';
import { fileError } from './file-bytes';
import { formatError } from './types';

declare module 'yauzl' {
  interface ZipFile {
    readLocalFileHeader(
      entry: Entry,
      options: { minimal: true },
      callback: (error: Error | null, header: { fileDataStart: number }) => void,
    ): void;
  }
}

/** Names of a zip file's entries, without reading their contents. */
export async function zipNames(source: string | Buffer, where: string): Promise<string[]> {
  const names: string[] = [];
  await eachEntry(source, where, (entry) => {
    names.push(entry.fileName);
    return Promise.resolve();
  });
  return names;
}

/** Stored (uncompressed) entries of a zip file by name, as views on its bytes. */
export async function zipViews(bytes: Buffer, where: string): Promise<Map<string, Buffer>> {
  const views = new Map<string, Buffer>();
  await eachEntry(bytes, where, async (entry, zip) => {
    const { fileName, compressionMethod, compressedSize, uncompressedSize } = entry;
    if (views.has(fileName)) throw formatError(where, `the archive has "${fileName}" twice.`);
    if (compressionMethod !== 0 || compressedSize !== uncompressedSize || entry.isEncrypted()) {
      throw formatError(
        where,
        `"${fileName}" is compressed or encrypted; torch stores its archives plainly. Save the file again with torch.save.`,
      );
    }
    const start = await dataStart(zip, entry);
    views.set(fileName, bytes.subarray(start, start + uncompressedSize));
  });
  return views;
}

function dataStart(zip: ZipFile, entry: Entry): Promise<number> {
  return new Promise((resolve, reject) => {
    zip.readLocalFileHeader(entry, { minimal: true }, (error, header) => {
      if (error) reject(error);
      else resolve(header.fileDataStart);
    });
  });
}

/** Visits the entries of the central directory one after the other. */
async function eachEntry(
  source: string | Buffer,
  where: string,
  visit: (entry: Entry, zip: ZipFile) => Promise<void>,
): Promise<void> {
  let zip: ZipFile | undefined;
  try {
    const opened = await openZip(source);
    zip = opened;
    await new Promise<void>((resolve, reject) => {
      opened.on('error', reject);
      opened.on('end', resolve);
      opened.on('entry', (entry: Entry) => {
        visit(entry, opened).then(() => {
          opened.readEntry();
        }, reject);
      });
      opened.readEntry();
    });
  } catch (error) {
    if (error instanceof TorchdetError) throw error;
    if ((error as NodeJS.ErrnoException).syscall !== undefined) throw fileError(where, error);
    throw formatError(where, `damaged zip archive: ${(error as Error).message}.`, error);
  } finally {
    zip?.close();
  }
}

function openZip(source: string | Buffer): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    const done = (error: Error | null, zip: ZipFile): void => {
      if (error) reject(error);
      else resolve(zip);
    };
    const options = { lazyEntries: true, autoClose: false };
    if (typeof source === 'string') open(source, options, done);
    else fromBuffer(source, options, done);
  });
}
