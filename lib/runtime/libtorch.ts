import { existsSync, readdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TorchdetError } from '../errors';
import { cacheDirectory } from './cache-dir';
import {
  acceptVersion,
  type FoundLibtorch,
  inspectFolder,
  LIBTORCH_VERSION,
  type LibtorchInstallation,
  type LibtorchSource,
} from './installation';

export { LIBTORCH_VERSION, type LibtorchInstallation, type LibtorchSource } from './installation';

/** The command every "not found" message names. */
export const INSTALL_COMMAND = 'npx torchdet install-libtorch';

export interface FindLibtorchOptions {
  /** Environment variables to go by; default process.env. */
  readonly env?: NodeJS.ProcessEnv;
  /** torchdet's cache folder; default {@link cacheDirectory}. */
  readonly cacheDir?: string;
}

/** Where installations of LibTorch live in the cache: one folder per flavour, `2.11.0-cpu`, `2.11.0-cu130`. */
export function libtorchCache(cacheDir: string): string {
  return join(cacheDir, 'libtorch');
}

/**
 * Finds LibTorch without loading it. The first that matches is taken:
 * 1. the folder named by the environment variable TORCHDET_LIBTORCH (an unpacked LibTorch, a wheel's torch folder, a folder
 *    made by `pip install --target`, or a Python environment); a value that does not fit is an error, never passed over;
 * 2. a torch of the right version in the active Python environment (VIRTUAL_ENV, CONDA_PREFIX);
 * 3. torchdet's cache, where `torchdet install-libtorch` puts it; CUDA builds before the CPU build.
 *
 * @throws TorchdetError ERR_LIBTORCH_NOT_FOUND with the command that installs it and every place tried;
 *   ERR_LIBTORCH_VERSION where TORCHDET_LIBTORCH names another version.
 */
export function findLibtorch(options: FindLibtorchOptions = {}): LibtorchInstallation {
  const env = options.env ?? process.env;
  const tried: string[] = [];
  const found =
    fromEnvironment(env, tried) ??
    fromPython(env, tried) ??
    fromCache(options.cacheDir ?? cacheDirectory(env), tried);
  if (found) return found;
  throw new TorchdetError(
    'ERR_LIBTORCH_NOT_FOUND',
    `LibTorch ${LIBTORCH_VERSION} is not installed. Install it with:\n\n  ${INSTALL_COMMAND}\n\n` +
      'or name an existing one in the environment variable TORCHDET_LIBTORCH. Looked for it in:\n' +
      tried.map((line) => `  - ${line}`).join('\n'),
  );
}

function fromEnvironment(
  env: NodeJS.ProcessEnv,
  tried: string[],
): LibtorchInstallation | undefined {
  const value = env.TORCHDET_LIBTORCH;
  if (!value) {
    tried.push('TORCHDET_LIBTORCH: not set');
    return undefined;
  }
  const folder = resolve(value);
  const found = inspectFolder(folder);
  if (!found) {
    throw new TorchdetError(
      'ERR_LIBTORCH_NOT_FOUND',
      `TORCHDET_LIBTORCH is "${value}", but ` +
        (existsSync(folder)
          ? 'there is no LibTorch in that folder'
          : 'that folder does not exist') +
        ': looked for lib/libtorch_cpu.so in it, in its libtorch/ and torch/, and in ' +
        'lib/python3.*/site-packages/torch. Correct or unset the variable' +
        ` (then "${INSTALL_COMMAND}" installs LibTorch ${LIBTORCH_VERSION}).`,
    );
  }
  return requireVersion(found, 'environment', 'TORCHDET_LIBTORCH');
}

/** The two variables an activated environment sets; Python itself is never started. */
function fromPython(env: NodeJS.ProcessEnv, tried: string[]): LibtorchInstallation | undefined {
  const prefixes = [env.VIRTUAL_ENV, env.CONDA_PREFIX].flatMap((prefix) =>
    prefix ? [prefix] : [],
  );
  if (prefixes.length === 0) {
    tried.push('an active Python environment: neither VIRTUAL_ENV nor CONDA_PREFIX is set');
  }
  for (const prefix of prefixes) {
    const found = inspectFolder(prefix);
    const accepted = acceptVersion(found, 'python');
    if (accepted) return accepted;
    tried.push(
      `the active Python environment ${prefix}: ` +
        (found ? `its torch is ${found.version ?? 'of unknown version'}, passed over` : 'no torch'),
    );
  }
  return undefined;
}

function fromCache(cacheDir: string, tried: string[]): LibtorchInstallation | undefined {
  const folder = libtorchCache(cacheDir);
  const names = cachedFlavours(folder);
  for (const name of names) {
    const found = inspectFolder(join(folder, name));
    const accepted = acceptVersion(found, 'cache');
    if (accepted) return accepted;
    tried.push(
      `the cache ${join(folder, name)}: ` +
        (found
          ? `holds ${found.version ?? 'an unknown version'}`
          : 'holds no lib/libtorch_cpu.so; install again with --force'),
    );
  }
  if (names.length === 0) {
    tried.push(`the cache: no ${join(folder, `${LIBTORCH_VERSION}-<flavour>`)}`);
  }
  return undefined;
}

/** Folders of finished installations (names with .tmp or .lock are work in progress): CUDA first, newest first. */
function cachedFlavours(folder: string): string[] {
  let names: string[];
  try {
    names = readdirSync(folder);
  } catch {
    return [];
  }
  const pattern = new RegExp(`^${LIBTORCH_VERSION.replaceAll('.', '\\.')}-(cpu|cu\\w+)$`);
  return names.filter((name) => pattern.test(name)).sort((a, b) => b.localeCompare(a));
}

/**
 * Accepts a LibTorch only in the version torchdet needs.
 *
 * @throws TorchdetError ERR_LIBTORCH_VERSION with both versions and the folder.
 */
export function requireVersion(
  found: FoundLibtorch,
  source: LibtorchSource,
  givenAs: string,
): LibtorchInstallation {
  const accepted = acceptVersion(found, source);
  if (accepted) return accepted;
  throw new TorchdetError(
    'ERR_LIBTORCH_VERSION',
    `torchdet needs LibTorch ${LIBTORCH_VERSION}; ${givenAs} names ` +
      (found.version
        ? `version ${found.version}`
        : 'one whose version is unknown (neither build-version nor version.py states it)') +
      ` (${found.root}). Install the right one with "${INSTALL_COMMAND}" and unset TORCHDET_LIBTORCH, ` +
      `or with pip: torch==${LIBTORCH_VERSION}.`,
  );
}
