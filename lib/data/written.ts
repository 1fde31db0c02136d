/** What a conversion writes: each file of annotations whole or not at all, and nothing stays of a conversion that does not end. */
import { mkdir, rename, rm, rmdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { TorchdetError } from '../errors';
import { mapLimited, messageOf } from './reader';

/** Files removed at the same time. */
const parallel = 8;

/** @internal */
export function writeError(file: string, error: unknown): TorchdetError {
  return new TorchdetError('ERR_FILE', `Cannot write ${file}: ${messageOf(error)}`, {
    cause: error,
  });
}

/** Where a file is while it is written: no reader takes it for one of annotations. */
export function partOf(file: string): string {
  return `${file}.part`;
}

/** Files and folders that were made, so that these and no others can be taken away again. */
export class Written {
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  /** Makes the folders of a file that is to be written, and keeps its name. */
  async begin(file: string): Promise<void> {
    const folder = dirname(file);
    const first = await mkdir(folder, { recursive: true });
    // The first that was missing: all below it are new too.
    if (first !== undefined) {
      for (let made = folder; made.length >= first.length; made = dirname(made)) {
        this.#folders.add(made);
      }
    }
    this.#files.add(file);
  }

  /** @throws TorchdetError ERR_FILE */
  async text(file: string, text: string): Promise<void> {
    const part = partOf(file);
    try {
      await this.begin(file);
      await writeFile(part, text);
      await rename(part, file);
    } catch (error) {
      await rm(part, { force: true }).catch(() => undefined);
      throw writeError(file, error);
    }
  }

  /** Takes away what was made. What cannot be removed stays: why it all ended is what is to be told. */
  async #remove(): Promise<void> {
    await mapLimited([...this.#files], parallel, (file) =>
      rm(file, { force: true }).catch(() => undefined),
    );
    const deepestFirst = [...this.#folders].sort((a, b) => b.length - a.length);
    // A folder in which somebody else put something stays.
    for (const folder of deepestFirst) await rmdir(folder).catch(() => undefined);
  }

  /** Does the work, and takes away what it made where it fails or is interrupted: then it can be run again. */
  async during<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      await this.#remove();
      throw error;
    }
  }
}
