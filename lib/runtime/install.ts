import { lstatSync, realpathSync } from 'node:fs';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { lock } from 'proper-lockfile';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { cacheDirectory } from './cache-dir';
import { installError } from './install-errors';
import { type InstallProgress, type SourceOptions, sourceFor } from './install-sources';
import { acceptVersion, inspectFolder } from './installation';
import { INSTALL_COMMAND, LIBTORCH_VERSION, libtorchCache, requireVersion } from './libtorch';
import type { LibtorchInstallation } from './libtorch';
import { checkPlatform } from './platform';

export type { InstallProgress } from './install-sources';

export interface InstallLibtorchOptions {
  /**
   * Where LibTorch comes from; default 'auto': the official archive, or pip where its host does not answer.
   * 'official', 'pip', a URL, a zip or wheel file, or a folder, which is used where it stands.
   */
  readonly from?: string;
  /** `cpu` (default) or a CUDA build such as `cu130`. A folder, file or URL is what it is. */
  readonly flavour?: string;
  /** SHA-256 of the archive in hex. */
  readonly sha256?: string;
  /** Replace an installation that is there. */
  readonly force?: boolean;
  /** Default {@link cacheDirectory}. */
  readonly cacheDir?: string;
  readonly onProgress?: (progress: InstallProgress) => void;
  /** Receives one line for every step. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Let pip draw its own progress on this process's stderr; default false: its lines go to `log`. */
  readonly terminal?: boolean;
  /** Environment of pip; default process.env. */
  readonly env?: NodeJS.ProcessEnv;
}

const OPTION_NAMES = [
  ...['from', 'flavour', 'sha256', 'force', 'cacheDir', 'onProgress', 'log', 'signal', 'terminal'],
  'env',
];

/**
 * Installs LibTorch into torchdet's cache, as `libtorch/2.11.0-<flavour>/`, where findLibtorch finds it. It is put together
 * in a folder beside and moved into place at the end, under a lock, so an interrupted installation leaves nothing that could be
 * taken for a whole one, and of two processes the second waits and uses the first one's. Broken downloads are resumed.
 *
 * @throws TorchdetError ERR_LIBTORCH_INSTALL, ERR_LIBTORCH_VERSION where the source holds another version, ERR_DOWNLOAD,
 *   ERR_CHECKSUM, ERR_PLATFORM, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; the signal's reason where it was aborted
 */
export async function installLibtorch(
  options: InstallLibtorchOptions = {},
): Promise<LibtorchInstallation> {
  rejectUnknownOptions('installLibtorch', options, OPTION_NAMES);
  const { flavour = 'cpu', sha256, signal, log } = options;
  if (!/^(cpu|cu\d{3})$/.test(flavour)) {
    throw optionError(
      'installLibtorch',
      'flavour',
      flavour,
      '"cpu" or a CUDA build such as "cu130"',
    );
  }
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/i.test(sha256)) {
    throw optionError('installLibtorch', 'sha256', sha256, '64 hex digits');
  }
  checkPlatform();
  signal?.throwIfAborted();
  const source = await sourceFor(options.from ?? 'auto');
  const folder = libtorchCache(options.cacheDir ?? cacheDirectory());
  try {
    await mkdir(folder, { recursive: true });
    return await underLock(folder, options, async () => {
      const expected = join(folder, `${LIBTORCH_VERSION}-${flavour}`);
      const present = options.force ? undefined : installedIn(expected);
      if (present) {
        log?.(`LibTorch ${present.version} is already in ${expected}`);
        return present;
      }
      await clearLeftovers(folder);
      const temporary = `${expected}.tmp-${String(process.pid)}`;
      try {
        await source(temporary, sourceOptions(options, flavour, folder));
        return await moveIntoPlace(temporary, folder, log);
      } finally {
        await rm(temporary, { recursive: true, force: true });
      }
    });
  } catch (error) {
    throw installError(error, folder, signal);
  }
}

function sourceOptions(
  options: InstallLibtorchOptions,
  flavour: string,
  folder: string,
): SourceOptions {
  const { sha256, onProgress, log, signal, terminal, env } = options;
  const downloads = join(folder, 'downloads');
  return { flavour, sha256, downloads, onProgress, log, signal, terminal, env };
}

/** Checks what arrived and gives it its name, which says the flavour that is really there. */
async function moveIntoPlace(
  temporary: string,
  folder: string,
  log: InstallLibtorchOptions['log'],
): Promise<LibtorchInstallation> {
  const found = inspectFolder(temporary);
  if (!found) {
    throw new TorchdetError(
      'ERR_LIBTORCH_INSTALL',
      'The source holds no LibTorch for Linux: there is no lib/libtorch_cpu.so in it or in its libtorch/ or torch/ folder. ' +
        `"${INSTALL_COMMAND}" without --from takes the right one.`,
    );
  }
  const { version, flavour } = requireVersion(found, 'cache', 'the source');
  const target = join(folder, `${LIBTORCH_VERSION}-${flavour}`);
  if (isWithin(found.root, target)) return keepInPlace(found.root, target, log);
  const old = `${target}.tmp-old-${String(process.pid)}`;
  // Of a link too that leads nowhere any more: a folder cannot be renamed over it.
  const replaces = lstatSync(target, { throwIfNoEntry: false }) !== undefined;
  if (replaces) await rename(target, old);
  await rename(temporary, target);
  if (replaces) await rm(old, { recursive: true, force: true });
  const installed = installedIn(target);
  if (installed) return installed;
  throw new Error(`LibTorch ${version} disappeared from ${target} while it was installed`);
}

/** Whether a folder, links resolved, is the target or lies in it. A target that is a link can go: what it leads to stays. */
function isWithin(root: string, target: string): boolean {
  if (!lstatSync(target, { throwIfNoEntry: false })?.isDirectory()) return false;
  const way = relative(realpathSync(target), root);
  return way !== '..' && !way.startsWith(`..${sep}`);
}

/** The source is what would be replaced: moved away and deleted, a link to it would lead nowhere. */
function keepInPlace(
  root: string,
  target: string,
  log: InstallLibtorchOptions['log'],
): LibtorchInstallation {
  const present = installedIn(target);
  if (!present) {
    throw new TorchdetError(
      'ERR_LIBTORCH_INSTALL',
      `${root} lies in ${target}, which an installation replaces: move it out of there first.`,
    );
  }
  log?.(`LibTorch ${present.version} is already in ${target}: that is where it would come from`);
  return present;
}

function installedIn(target: string): LibtorchInstallation | undefined {
  const found = inspectFolder(target);
  return found ? acceptVersion(found, 'cache') : undefined;
}

/** What an installation that was cut off left behind; under the lock nobody else is at work. */
async function clearLeftovers(folder: string): Promise<void> {
  for (const name of await readdir(folder)) {
    if (name.includes('.tmp-')) await rm(join(folder, name), { recursive: true, force: true });
  }
}

async function underLock<T>(
  folder: string,
  options: InstallLibtorchOptions,
  work: () => Promise<T>,
): Promise<T> {
  const { signal, log } = options;
  let told = false;
  for (;;) {
    signal?.throwIfAborted();
    let release: () => Promise<void>;
    try {
      release = await lock(join(folder, 'install'), {
        realpath: false,
        stale: 30_000,
        update: 5_000,
        // By default a lost lock throws where nobody can catch it; the move into place is atomic anyway.
        onCompromised: (error) => log?.(`The lock of ${folder} was lost: ${error.message}`),
      });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') throw error;
      if (!told) log?.('Another process is installing LibTorch; waiting for it');
      told = true;
      await sleep(500);
      continue;
    }
    try {
      return await work();
    } finally {
      await release().catch(() => undefined);
    }
  }
}
