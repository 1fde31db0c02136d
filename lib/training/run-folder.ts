/** The folder of a training run: what is in it, and how it is written so that an end at any moment leaves it usable. */
import { createHash } from 'node:crypto';
import { type FileHandle, mkdir, open, readFile, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { TorchdetError } from '../errors';
import { fileError, replaceFile } from '../files';

/** Names of the files in a run's folder. */
export const RUN_FILES = {
  config: 'config.json',
  metrics: 'metrics.jsonl',
  last: 'last.pt',
  best: 'best.pt',
  state: 'last.state.safetensors',
  evaluation: 'best.evaluation.json',
  report: 'report.html',
} as const;

/** {@link replaceFile} with contents at hand. */
export async function writeWhole(path: string, contents: string | Uint8Array): Promise<void> {
  await replaceFile(path, (part) => writeFile(part, contents));
}

/** The file's text, or undefined where there is none. */
export async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw fileError('read', path, cause);
  }
}

/** A file of JSON values, one a line, that can be cut back to where a checkpoint was made. */
export class JsonLines {
  readonly #path: string;
  readonly #file: FileHandle;
  #length: number;

  private constructor(path: string, file: FileHandle, length: number) {
    this.#path = path;
    this.#file = file;
    this.#length = length;
  }

  /**
   * Opens the file for more lines, behind its first `length` bytes; what comes after them is cut off.
   *
   * @throws TorchdetError ERR_FILE where it is shorter than that or cannot be written
   */
  static async open(path: string, length: number): Promise<JsonLines> {
    let file: FileHandle;
    try {
      file = await open(path, length === 0 ? 'w' : 'r+');
    } catch (cause) {
      throw fileError('write', path, cause);
    }
    try {
      const { size } = await file.stat();
      if (size < length) {
        throw new TorchdetError(
          'ERR_FILE',
          `${path} has ${size} bytes, but had ${length} when the run's last checkpoint was made: it was changed since.`,
        );
      }
      await file.truncate(length);
    } catch (error) {
      await file.close();
      throw error;
    }
    return new JsonLines(path, file, length);
  }

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  async append(value: object): Promise<void> {
    const line = Buffer.from(`${JSON.stringify(value)}\n`);
    try {
      await this.#file.write(line, 0, line.length, this.#length);
    } catch (cause) {
      throw fileError('write', this.#path, cause);
    }
    this.#length += line.length;
  }

  /** Brings all lines to the disk. */
  async sync(): Promise<void> {
    await this.#file.sync();
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

/** The values of a file of JSON lines; a last line without an end is one that was being written, and left out. */
export function parseJsonLines(text: string): unknown[] {
  return text
    .slice(0, text.lastIndexOf('\n') + 1)
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as unknown);
}

/** Paths of a run's files. */
export class RunFolder {
  readonly path: string;

  constructor(path: string) {
    this.path = path;
  }

  file(name: keyof typeof RUN_FILES): string {
    return join(this.path, RUN_FILES[name]);
  }

  async has(name: keyof typeof RUN_FILES): Promise<boolean> {
    return stat(this.file(name)).then(
      () => true,
      () => false,
    );
  }

  /** @throws TorchdetError ERR_FILE */
  async create(): Promise<void> {
    try {
      await mkdir(this.path, { recursive: true });
    } catch (cause) {
      throw fileError('make', this.path, cause);
    }
  }
}

/** A short name for contents, the same for equal ones. */
export function fingerprint(value: unknown): string {
  return createHash('sha256').update(JSON.stringify(value)).digest('hex').slice(0, 16);
}
