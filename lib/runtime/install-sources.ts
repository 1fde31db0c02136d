import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rm, stat, symlink } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { EnvHttpProxyAgent, request } from 'undici';
import { downloadFile } from '../checkpoints/download';
import { optionError, TorchdetError } from '../errors';
import { WAYS_WITHOUT_NETWORK } from './install-errors';
import { inspectFolder, LIBTORCH_VERSION } from './installation';
import { installWithPip, PIP_CUDA_FLAVOUR } from './pip';
import { unzip } from './unzip';

/** How far one step of an installation has come; bytes, `total` undefined where it is not known. */
export interface InstallProgress {
  readonly stage: 'download' | 'unpack';
  readonly done: number;
  readonly total: number | undefined;
}

export interface SourceOptions {
  readonly flavour: string;
  readonly sha256?: string | undefined;
  /** Folder of unfinished downloads, kept between attempts. */
  readonly downloads: string;
  readonly onProgress?: ((progress: InstallProgress) => void) | undefined;
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly terminal?: boolean | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/** Puts a LibTorch into `folder`, which does not exist yet. */
export type Source = (folder: string, options: SourceOptions) => Promise<void>;

/**
 * SHA-256 of the official archives by file name. torch publishes none beside them, so an entry may only be made from a
 * download that was checked by other means; a file without an entry relies on TLS, each entry's CRC, and `sha256`.
 */
const OFFICIAL_SHA256: Readonly<Record<string, string>> = {};

/** The official archive of a flavour. */
export function officialUrl(flavour: string): string {
  return `https://download.pytorch.org/libtorch/${flavour}/libtorch-shared-with-deps-${LIBTORCH_VERSION}%2B${flavour}.zip`;
}

/**
 * The source that `from` names: auto, official, pip, an http(s) URL, a folder, or a zip or wheel file.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where it is none of these
 */
export async function sourceFor(from: string): Promise<Source> {
  if (from === 'auto') return automatic;
  if (from === 'official') return official;
  if (from === 'pip') return pip;
  if (/^https?:\/\//.test(from)) return (folder, options) => fromUrl(from, folder, options);
  const path = resolve(from);
  const found = await stat(path).catch(() => undefined);
  if (found?.isDirectory()) return (folder) => fromFolder(path, folder);
  if (found?.isFile()) return (folder, options) => fromFile(path, folder, options);
  throw optionError(
    'installLibtorch',
    'from',
    from,
    '"auto", "official", "pip", a URL, or an existing folder, zip or wheel',
  );
}

/** The official archive where its host answers, else pip: networks that only mirror a package index have that one way. */
async function automatic(folder: string, options: SourceOptions): Promise<void> {
  const { log, flavour, signal } = options;
  const url = officialUrl(flavour);
  const problem = await whyUnreachable(url, signal);
  if (problem === undefined) {
    await official(folder, options);
    return;
  }
  log?.(`${new URL(url).host} cannot be used (${problem}); installing through pip instead`);
  await pip(folder, options);
}

async function official(folder: string, options: SourceOptions): Promise<void> {
  const url = officialUrl(options.flavour);
  const sha256 = options.sha256 ?? OFFICIAL_SHA256[basename(new URL(url).pathname)];
  await fromUrl(url, folder, { ...options, sha256 });
}

async function pip(folder: string, options: SourceOptions): Promise<void> {
  const { flavour, sha256 } = options;
  if (sha256 !== undefined) {
    throw new TorchdetError(
      'ERR_OPTION_VALUE',
      'installLibtorch: option "sha256" is for one file; pip checks its packages against the hashes of its index.',
    );
  }
  if (flavour !== 'cpu' && flavour !== PIP_CUDA_FLAVOUR) {
    throw new TorchdetError(
      'ERR_LIBTORCH_INSTALL',
      `Through pip LibTorch ${LIBTORCH_VERSION} comes as "cpu" or "${PIP_CUDA_FLAVOUR}"; "${flavour}" only as an archive ` +
        `from ${officialUrl(flavour)}. ${WAYS_WITHOUT_NETWORK}`,
    );
  }
  await installWithPip(folder, flavour, options);
}

async function fromUrl(url: string, folder: string, options: SourceOptions): Promise<void> {
  const { downloads, sha256, onProgress, log, signal } = options;
  if (sha256 === undefined) {
    log?.('No SHA-256 is known for this file; give one with --sha256 to have it checked');
  }
  const name = decodeURIComponent(basename(new URL(url).pathname)) || 'libtorch.zip';
  const file = join(downloads, name);
  log?.(`Downloading ${url}`);
  await downloadFile(url, file, {
    hint: `Other ways: "npx torchdet install-libtorch --from pip". ${WAYS_WITHOUT_NETWORK}`,
    onProgress: (done, total) => onProgress?.({ stage: 'download', done, total }),
    ...(sha256 === undefined ? {} : { sha256 }),
    ...(signal === undefined ? {} : { signal }),
  });
  try {
    await fromFile(file, folder, { ...options, sha256: undefined });
  } finally {
    // Unpacked it is of no more use, and damaged it must not be taken for good by the next attempt.
    if (!signal?.aborted) await rm(file, { force: true });
  }
}

async function fromFile(file: string, folder: string, options: SourceOptions): Promise<void> {
  const { sha256, onProgress, log, signal } = options;
  if (sha256 !== undefined) await checkFile(file, sha256);
  log?.(`Unpacking ${file}`);
  await mkdir(folder, { recursive: true });
  await unzip(file, folder, {
    signal,
    onProgress: (done, total) => onProgress?.({ stage: 'unpack', done, total }),
  });
}

/** A folder is used where it stands, through a link: it is the user's, it may be big, and it may be updated. */
async function fromFolder(path: string, folder: string): Promise<void> {
  const found = inspectFolder(path);
  if (!found) {
    throw new TorchdetError(
      'ERR_LIBTORCH_INSTALL',
      `There is no LibTorch in ${path}: looked for lib/libtorch_cpu.so in it, in its libtorch/ and torch/, and in ` +
        'lib/python3.*/site-packages/torch.',
    );
  }
  await symlink(found.root, folder);
}

async function checkFile(file: string, sha256: string): Promise<void> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk as Buffer);
  const digest = hash.digest('hex');
  if (digest === sha256.toLowerCase()) return;
  throw new TorchdetError(
    'ERR_CHECKSUM',
    `${file} has SHA-256 ${digest}, expected ${sha256}: it is another file or it is damaged.`,
  );
}

/** Asks for the file's head with little patience: a blocked host often swallows packets and never refuses. */
async function whyUnreachable(
  url: string,
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  const agent = new EnvHttpProxyAgent({ connect: { timeout: 4000 } });
  const patience = AbortSignal.timeout(8000);
  try {
    const answer = await request(url, {
      method: 'HEAD',
      dispatcher: agent,
      signal: signal ? AbortSignal.any([signal, patience]) : patience,
    });
    await answer.body.dump();
    return answer.statusCode < 400 ? undefined : `it answers ${String(answer.statusCode)}`;
  } catch (error) {
    signal?.throwIfAborted();
    return error instanceof Error ? error.message : String(error);
  } finally {
    await agent.destroy();
  }
}
