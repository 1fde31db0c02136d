import { resolve } from 'node:path';
import envPaths from 'env-paths';

/**
 * The folder torchdet keeps what it installs and downloads in: the environment variable TORCHDET_CACHE where it is set, else
 * the user's cache folder (`$XDG_CACHE_HOME/torchdet`, `~/.cache/torchdet`). It may not exist yet.
 */
export function cacheDirectory(env: NodeJS.ProcessEnv = process.env): string {
  if (env.TORCHDET_CACHE) return resolve(env.TORCHDET_CACHE);
  return envPaths('torchdet', { suffix: '' }).cache;
}
