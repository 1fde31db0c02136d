import { realpath, readdir, stat } from 'node:fs/promises';
import { basename, extname, isAbsolute, join, resolve } from 'node:path';
import { glob, isDynamicPattern } from 'tinyglobby';
import type { ImageFormat } from '../images/format';

/** File names' extensions by format: what folders and patterns are searched for. */
const formatOfExtension: Readonly<Record<string, ImageFormat>> = {
  '.jpg': 'jpeg',
  '.jpeg': 'jpeg',
  '.jpe': 'jpeg',
  '.jfif': 'jpeg',
  '.png': 'png',
  '.webp': 'webp',
  '.gif': 'gif',
  '.tif': 'tiff',
  '.tiff': 'tiff',
  '.avif': 'avif',
};

/** The format a file's name speaks for. */
export function formatOfName(file: string): ImageFormat | undefined {
  return formatOfExtension[extname(file).toLowerCase()];
}

/** What was asked for and is not there. */
export interface MissingInput {
  readonly input: string;
  readonly reason: string;
}

export interface FoundImages {
  /** Paths in the order of the arguments, each once; a folder's and a pattern's own in the order of their names. */
  readonly files: string[];
  readonly missing: MissingInput[];
}

function byName(a: string, b: string): number {
  return a.localeCompare(b, 'en', { numeric: true }) || (a < b ? -1 : 1);
}

async function kindOf(path: string): Promise<'file' | 'folder' | undefined> {
  try {
    return (await stat(path)).isDirectory() ? 'folder' : 'file';
  } catch {
    return undefined;
  }
}

async function imagesIn(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const names = entries.filter((entry) => !entry.isDirectory()).map((entry) => entry.name);
  const images = names.filter((name) => formatOfName(name) && !name.startsWith('.'));
  return images.sort(byName).map((name) => join(folder, name));
}

async function expand(input: string): Promise<string[] | MissingInput> {
  const kind = await kindOf(input);
  if (kind === 'file') return [input];
  if (kind === 'folder') {
    try {
      const images = await imagesIn(input);
      return images.length > 0 ? images : { input, reason: 'the folder holds no images' };
    } catch (error) {
      return { input, reason: error instanceof Error ? error.message : String(error) };
    }
  }
  if (!isDynamicPattern(input)) return { input, reason: 'no such file or folder' };
  const matches = await glob(input, { expandDirectories: false, absolute: isAbsolute(input) });
  const images = matches.filter((file) => formatOfName(file)).sort(byName);
  return images.length > 0 ? images : { input, reason: 'no image matches the pattern' };
}

/**
 * Turns the files, folders and glob patterns of a command line into image files. A file named directly is taken whatever
 * its name; folders (not those inside them) and patterns are searched for the extensions of images.
 */
export async function findImages(inputs: readonly string[]): Promise<FoundImages> {
  const files = new Map<string, string>();
  const missing: MissingInput[] = [];
  for (const input of inputs) {
    const found = await expand(input);
    if (!Array.isArray(found)) {
      missing.push(found);
      continue;
    }
    for (const file of found) {
      if (!files.has(resolve(file))) files.set(resolve(file), file);
    }
  }
  return { files: [...files.values()], missing };
}

async function realPath(path: string): Promise<string> {
  return realpath(path).catch(() => resolve(path));
}

/**
 * Where each file's drawn picture goes: into `folder` under the file's own name. A name that another input already
 * has, or behind which an input lies, gets a number: `photo-2.jpg`. Names without an image extension get `.jpg`.
 */
export async function planOutputs(files: readonly string[], folder: string): Promise<string[]> {
  const inputs = new Set(await Promise.all(files.map(realPath)));
  const taken = new Set<string>();
  const outputs: string[] = [];
  for (const file of files) {
    const name = basename(file);
    const extension = formatOfName(name) ? extname(name) : '.jpg';
    const stem = formatOfName(name) ? basename(name, extension) : name;
    let output = join(folder, stem + extension);
    // Compared without case: some file systems do not tell Photo.jpg from photo.jpg.
    for (let n = 2; taken.has(output.toLowerCase()) || inputs.has(await realPath(output)); n++) {
      output = join(folder, `${stem}-${n}${extension}`);
    }
    taken.add(output.toLowerCase());
    outputs.push(output);
  }
  return outputs;
}
