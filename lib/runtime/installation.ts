import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** The LibTorch this version of torchdet is built against and runs with; its C++ interface changes with every version. */
export const LIBTORCH_VERSION = '2.11.0';

/** Where an installation was found: TORCHDET_LIBTORCH, the active Python environment, or torchdet's cache. */
export type LibtorchSource = 'environment' | 'python' | 'cache';

/** A LibTorch on this machine. */
export interface LibtorchInstallation {
  /** Folder that holds lib/libtorch_cpu.so (and include/), links resolved. */
  readonly root: string;
  /** The folder of the shared objects: root/lib. */
  readonly libDir: string;
  /** As the installation states it, for example `2.11.0+cu130`. */
  readonly version: string;
  /** `cpu`, or the CUDA build whose libraries are there, for example `cu130`. */
  readonly flavour: string;
  readonly source: LibtorchSource;
}

/** A LibTorch in a folder, before its version has been judged; `version` is undefined where no file states one. */
export type FoundLibtorch = Omit<LibtorchInstallation, 'version' | 'source'> & {
  readonly version: string | undefined;
};

/**
 * The found LibTorch as an installation where it states the version torchdet needs (`2.11.0`, `2.11.0+cu130`), else
 * undefined.
 */
export function acceptVersion(
  found: FoundLibtorch | undefined,
  source: LibtorchSource,
): LibtorchInstallation | undefined {
  const version = found?.version;
  if (found === undefined || version?.split('+')[0] !== LIBTORCH_VERSION) return undefined;
  return { ...found, version, source };
}

/** The site-packages folders (lib/python3.N) of a Python environment, newest Python first. */
export function sitePackages(prefix: string): string[] {
  let names: string[];
  try {
    names = readdirSync(join(prefix, 'lib'));
  } catch {
    return [];
  }
  return names
    .filter((name) => /^python3\.\d+$/.test(name))
    .sort((a, b) => Number(b.split('.')[1]) - Number(a.split('.')[1]))
    .map((name) => join(prefix, 'lib', name, 'site-packages'));
}

/**
 * Finds LibTorch in a folder, which may be an unpacked LibTorch, a wheel's torch folder, a folder that holds one of these
 * as libtorch/ or torch/ (as an unpacked zip and `pip install --target` leave them), or a Python environment.
 */
export function inspectFolder(folder: string): FoundLibtorch | undefined {
  const candidates = [
    folder,
    join(folder, 'libtorch'),
    join(folder, 'torch'),
    ...sitePackages(folder).map((site) => join(site, 'torch')),
  ];
  const found = candidates.find((candidate) => isFile(join(candidate, 'lib', 'libtorch_cpu.so')));
  if (found === undefined) return undefined;
  const root = realpathSync(found);
  const libDir = join(root, 'lib');
  const version = statedVersion(root);
  return { root, libDir, version, flavour: flavourOf(libDir, version) };
}

/** The version a LibTorch folder states about itself: read from text, since loading a wrong one may end the process. */
function statedVersion(root: string): string | undefined {
  const zip = readText(join(root, 'build-version'))?.trim();
  if (zip) return zip;
  const wheel = readText(join(root, 'version.py'));
  return wheel && /^__version__\s*(?::[^=]+)?=\s*['"]([^'"]+)['"]/m.exec(wheel)?.[1];
}

/** Decided by the libraries that are there, not by the version's label: a CUDA wheel can be pruned to its CPU part. */
function flavourOf(libDir: string, version: string | undefined): string {
  if (!existsSync(join(libDir, 'libtorch_cuda.so'))) return 'cpu';
  const label = version?.split('+')[1];
  return label?.startsWith('cu') ? label : 'cuda';
}

function isFile(path: string): boolean {
  try {
    return statSync(path, { throwIfNoEntry: false })?.isFile() === true;
  } catch (error) {
    // A link that leads to itself.
    if ((error as NodeJS.ErrnoException).code === 'ELOOP') return false;
    throw error;
  }
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}
