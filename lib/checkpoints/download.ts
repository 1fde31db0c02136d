import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, rename, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import {
  canRetry,
  downloadError,
  describeFailure,
  HttpStatusError,
  shownUrl,
} from './download-errors';
import { discardPart, transfer } from './download-transfer';

export interface DownloadOptions {
  /** The whole SHA-256 of the file in hex. */
  sha256?: string;
  /** The first hex digits of the SHA-256, as torchvision puts them into its file names. */
  sha256Prefix?: string;
  /** Called as bytes arrive, with what is there so far (resumed bytes included) and the total where it is known. */
  onProgress?: (received: number, total: number | undefined) => void;
  /** Stops the download; what has arrived stays and is resumed by the next call. */
  signal?: AbortSignal;
  /** How often a broken connection is tried again without any progress in between; default 4. */
  retries?: number;
  /** Pause before the first retry in milliseconds, doubled for each further one; default 1000. */
  retryDelay?: number;
  /** Replaces the advice at the end of error messages (how to get the file by hand). */
  hint?: string;
}

const optionNames = [
  'sha256',
  'sha256Prefix',
  'onProgress',
  'signal',
  'retries',
  'retryDelay',
  'hint',
];

/**
 * Downloads a file: through the proxies of HTTP_PROXY, HTTPS_PROXY and NO_PROXY (either case), following redirects,
 * into `<destination>.part`, resumed where an earlier attempt stopped if the server still has the same file, checked
 * against its SHA-256 and then renamed, so a file at `destination` is always complete. A lock keeps two processes from
 * writing at once: the second waits and finds the file. A file already there is kept if it has the hash asked for.
 *
 * @returns `destination`
 * @throws TorchdetError ERR_DOWNLOAD with the reason and what to do instead, ERR_CHECKSUM where the content is not
 *   what was asked for; the signal's reason where it was aborted
 */
export async function downloadFile(
  url: string | URL,
  destination: string,
  options: DownloadOptions = {},
): Promise<string> {
  rejectUnknownOptions('downloadFile', options, optionNames);
  const target = parseUrl(url);
  checkHex('sha256', options.sha256, /^[0-9a-f]{64}$/i, '64 hex digits');
  checkHex('sha256Prefix', options.sha256Prefix, /^[0-9a-f]{1,64}$/i, '1 to 64 hex digits');
  options.signal?.throwIfAborted();

  const hint =
    options.hint ?? `Or download ${shownUrl(target)} by other means and put it at ${destination}.`;
  try {
    await mkdir(dirname(destination), { recursive: true });
  } catch (error) {
    throw downloadError(target, destination, describeFailure(error, target), hint, error);
  }
  const locked = await acquireLock(target, destination, hint, options.signal);
  try {
    if (!(await isAlreadyThere(destination, options))) {
      await attempts(target, destination, hint, options, locked.signal);
    }
    return destination;
  } finally {
    await locked.release();
  }
}

function parseUrl(url: string | URL): URL {
  const parsed = URL.canParse(url.toString()) ? new URL(url) : undefined;
  if (parsed?.protocol !== 'https:' && parsed?.protocol !== 'http:') {
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `downloadFile: ${JSON.stringify(url.toString())} is not an http or https URL.`,
    );
  }
  return parsed;
}

function checkHex(name: string, value: string | undefined, form: RegExp, expected: string): void {
  if (value !== undefined && !form.test(value)) {
    throw optionError('downloadFile', name, value, expected);
  }
}

/** Waits for the lock beside the file; `signal` aborts when the caller's does or when the lock is lost. */
async function acquireLock(
  url: URL,
  destination: string,
  hint: string,
  signal: AbortSignal | undefined,
): Promise<{ signal: AbortSignal; release: () => Promise<void> }> {
  const { lock } = await import('proper-lockfile');
  const lost = new AbortController();
  for (;;) {
    signal?.throwIfAborted();
    try {
      const unlock = await lock(destination, {
        realpath: false,
        stale: 30_000,
        update: 5_000,
        // Without a handler a lost lock would end the process.
        onCompromised: (cause) => {
          const problem = `the lock ${destination}.lock was lost (${cause.message})`;
          lost.abort(downloadError(url, destination, problem, hint, cause));
        },
      });
      return {
        signal: signal ? AbortSignal.any([signal, lost.signal]) : lost.signal,
        // Removing a lock that was lost in between fails; there is nothing left to do then.
        release: () => unlock().catch(() => undefined),
      };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ELOCKED') {
        throw downloadError(url, destination, describeFailure(error, url), hint, error);
      }
      await wait(250, signal);
    }
  }
}

/** A pause that ends with the signal's own reason. */
async function wait(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal ? { signal } : {}).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw error;
  });
}

async function isAlreadyThere(destination: string, options: DownloadOptions): Promise<boolean> {
  if (options.sha256 !== undefined || options.sha256Prefix !== undefined) {
    return hasHash(destination, options);
  }
  return (await stat(destination).catch(() => undefined))?.isFile() ?? false;
}

/** Whether there is a readable file with the SHA-256 wanted. */
export async function hasHash(
  path: string,
  wanted: Pick<DownloadOptions, 'sha256' | 'sha256Prefix'>,
): Promise<boolean> {
  const hash = createHash('sha256');
  try {
    for await (const chunk of createReadStream(path)) hash.update(chunk as Buffer);
  } catch {
    return false;
  }
  return hashFits(hash.digest('hex'), wanted);
}

function hashFits(
  digest: string,
  { sha256, sha256Prefix }: Pick<DownloadOptions, 'sha256' | 'sha256Prefix'>,
): boolean {
  return (
    (sha256 === undefined || digest === sha256.toLowerCase()) &&
    (sha256Prefix === undefined || digest.startsWith(sha256Prefix.toLowerCase()))
  );
}

async function attempts(
  url: URL,
  destination: string,
  hint: string,
  options: DownloadOptions,
  signal: AbortSignal,
): Promise<void> {
  const { retries = 4, retryDelay = 1000, onProgress } = options;
  // Loaded here: these take a good part of a second, and most programs never download.
  const { EnvHttpProxyAgent, interceptors } = await import('undici');
  const agent = new EnvHttpProxyAgent({
    // Plain http is forwarded, as proxies expect; https always goes through a tunnel.
    proxyTunnel: false,
    connect: { timeout: 20_000 },
    headersTimeout: 60_000,
    bodyTimeout: 60_000,
  });
  const dispatcher = agent.compose(interceptors.redirect({ maxRedirections: 10 }));
  let failures = 0;
  let furthest = 0;
  let restarted = false;
  try {
    for (;;) {
      try {
        const { digest, resumed } = await transfer(url, destination, {
          dispatcher,
          signal,
          onProgress: (received, total) => {
            if (received > furthest) {
              furthest = received;
              failures = 0;
            }
            onProgress?.(received, total);
          },
        });
        if (hashFits(digest, options)) {
          await rename(`${destination}.part`, destination);
          await discardPart(destination);
          return;
        }
        await discardPart(destination);
        if (!resumed || restarted) throw checksumError(url, digest, options, hint);
        // The pieces may not belong together: one more try, from the first byte.
        restarted = true;
      } catch (error) {
        signal.throwIfAborted();
        if (error instanceof TorchdetError) throw error;
        if (!canRetry(error) || failures >= retries) {
          throw downloadError(url, destination, describeFailure(error, url), hint, error);
        }
        // A server that is busy often says so to the resumed part too; the part itself stays.
        if (error instanceof HttpStatusError && error.status === 416)
          await discardPart(destination);
        await wait(retryDelay * 2 ** failures, signal);
        failures++;
      }
    }
  } finally {
    await agent.destroy();
  }
}

function checksumError(
  url: URL,
  digest: string,
  { sha256, sha256Prefix }: DownloadOptions,
  hint: string,
): TorchdetError {
  const expected = sha256 ?? `${sha256Prefix ?? ''}…`;
  return new TorchdetError(
    'ERR_CHECKSUM',
    `${shownUrl(url)}: the content has SHA-256 ${digest}, expected ${expected}: it was altered on the way, ` +
      `or the server now has another file. Nothing was kept. ${hint}`,
  );
}
