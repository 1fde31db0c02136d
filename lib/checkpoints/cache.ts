import { stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';

import { cacheDirectory } from '../runtime/cache-dir';
import { downloadFile, type DownloadOptions, hasHash } from './download';

/** What is needed to fetch published weights; entries of the weights catalogue have it. */
export interface RemoteWeights {
  readonly url: string;
  readonly sha256Prefix: string;
}

/** Where {@link cachedWeights} keeps a file: `<cache>/weights/<file name of the URL>`, which carries its hash. */
export function cachedWeightsPath({ url }: RemoteWeights): string {
  const name = decodeURIComponent(new URL(url).pathname.split('/').at(-1) ?? '');
  return join(cacheDirectory(), 'weights', name.replaceAll('/', '_'));
}

/**
 * The path of published weights on this machine. Downloads them into the cache the first time; a file that Python's
 * torchvision has downloaded already (in TORCH_HOME) is used where it is.
 *
 * @throws TorchdetError as {@link downloadFile}
 */
export async function cachedWeights(
  entry: RemoteWeights,
  options: Omit<DownloadOptions, 'sha256' | 'sha256Prefix'> = {},
): Promise<string> {
  const path = cachedWeightsPath(entry);
  // Files get this name only after they were verified.
  if (await isFile(path)) return path;
  const { sha256Prefix } = entry;
  const torchCopy = join(torchHub(), path.slice(path.lastIndexOf('/') + 1));
  if (await hasHash(torchCopy, { sha256Prefix })) return torchCopy;
  const hint = `Or download ${entry.url} by other means and put it at ${path}.`;
  return downloadFile(entry.url, path, { hint, ...options, sha256Prefix });
}

/** Where torch.hub keeps downloads. */
function torchHub(): string {
  const cache = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache');
  return join(process.env.TORCH_HOME ?? join(cache, 'torch'), 'hub', 'checkpoints');
}

async function isFile(path: string): Promise<boolean> {
  return (await stat(path).catch(() => undefined))?.isFile() ?? false;
}
