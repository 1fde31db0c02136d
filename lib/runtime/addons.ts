import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { TorchdetError } from '../errors';

/** The package's root: this file is lib/runtime/ in a checkout and dist/runtime/ in an installed package. */
export const PACKAGE_ROOT = resolve(__dirname, '..', '..');

/** State dict of the detector that ships with the package. */
export const DEFAULT_WEIGHTS = join(PACKAGE_ROOT, 'assets', 'everyday-mobilenetv2-fpn.safetensors');

const load = createRequire(__filename);

/** node-gyp-build takes build/Release first, then prebuilds/<platform>-<arch>; PREBUILDS_ONLY=1 makes it skip the first. */
const nodeGypBuild = load('node-gyp-build') as { resolve(folder: string): string };

/** The torch-free addon of native/loader. */
export interface Loader {
  /** dlopen(path, RTLD_NOW | RTLD_GLOBAL); throws an Error with dlerror()'s text. */
  open(path: string): void;
}

/** Path of the addon in use, for reports; undefined where none is built. */
export function addonPath(root = PACKAGE_ROOT): string | undefined {
  return resolveIn(root);
}

/** The loader has a folder of its own: node-gyp-build cannot tell two addons in one folder apart. */
export function loaderPath(root = PACKAGE_ROOT): string | undefined {
  return resolveIn(join(root, 'build', 'loader')) ?? resolveIn(join(root, 'prebuilds', 'loader'));
}

function resolveIn(folder: string): string | undefined {
  try {
    return nodeGypBuild.resolve(folder);
  } catch {
    return undefined;
  }
}

/** @throws TorchdetError ERR_NATIVE where it is not built. */
export function requireLoader(): Loader {
  return load(built(loaderPath(), 'loader addon')) as Loader;
}

/**
 * Requires the addon; LibTorch's libraries must be open by now.
 *
 * @throws TorchdetError ERR_NATIVE where it is not built; a plain Error of the dynamic linker where it does not load.
 */
export function requireAddon(): unknown {
  return load(built(addonPath(), 'native addon'));
}

function built(path: string | undefined, what: string): string {
  if (path !== undefined) return path;
  throw new TorchdetError(
    'ERR_NATIVE',
    `torchdet's ${what} was not found in ${PACKAGE_ROOT}. In a checkout build it with "npm run build:native"; ` +
      'in an installed package its prebuilds/ folder is missing: install torchdet again.',
  );
}
