/** Where a command writes a file at its end: what is wrong with the place is said before hours of work. */
import { constants, existsSync, statSync } from 'node:fs';
import { access } from 'node:fs/promises';
import { dirname } from 'node:path';
import { UsageError } from './usage-error';

const isFolder = (path: string) => existsSync(path) && statSync(path).isDirectory();

/**
 * @param option as the user typed it, for messages
 * @throws UsageError where the file could not be put there
 */
export async function checkOutputFile(option: string, path: string): Promise<void> {
  if (path === '' || /[\\/]$/.test(path) || isFolder(path)) {
    throw new UsageError(`${option} ${JSON.stringify(path)}: name a file, not a folder.`);
  }
  const folder = dirname(path);
  if (!isFolder(folder)) {
    throw new UsageError(`${option} ${path}: there is no folder ${folder}.`);
  }
  try {
    // The file is written beside its place and renamed.
    await access(folder, constants.W_OK | constants.X_OK);
  } catch (error) {
    const { code = 'no access' } = error as NodeJS.ErrnoException;
    throw new UsageError(`${option} ${path}: the folder ${folder} cannot be written to (${code}).`);
  }
}
