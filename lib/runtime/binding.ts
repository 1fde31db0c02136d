import { constants } from 'node:buffer';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Binding } from '../../binding';
import { TorchdetError } from '../errors';
import { addonPath, type Loader, loaderPath, requireAddon, requireLoader } from './addons';
import { cudaLibraryPath, missingOperators } from './cuda';
import { findLibtorch, INSTALL_COMMAND, type LibtorchInstallation } from './libtorch';
import { checkPlatform, hasNvidiaDriver, MINIMUM_GLIBC } from './platform';

/*
 * Every thread of JavaScript has its own copy of this module and so its own binding; the libraries below are shared by
 * the process and only counted when opened again.
 */
let installation: LibtorchInstallation | undefined;
let loader: Loader | undefined;
let libtorchOpened = false;
let cudaOpened: boolean | undefined;
let binding: Binding | undefined;

/** The LibTorch in use by this thread: found at the first call, which also checks the platform. */
function libtorchInUse(): LibtorchInstallation {
  if (!installation) {
    checkPlatform();
    installation = findLibtorch();
  }
  return installation;
}

/**
 * Loads LibTorch and the native addon, once per thread; later calls return the same object. Where LibTorch is a CUDA build
 * and an NVIDIA driver is there, its CUDA libraries are opened too, and first: torch asks whether it has CUDA only once, at
 * the first tensor work, and remembers. On any other machine they are never touched.
 *
 * @throws TorchdetError ERR_PLATFORM, ERR_LIBTORCH_NOT_FOUND, ERR_LIBTORCH_VERSION, ERR_LIBTORCH_LOAD, or ERR_NATIVE where
 *   the addon is not built.
 */
export function loadBinding(): Binding {
  if (binding) return binding;
  const libtorch = openLibtorch();
  if (hasNvidiaDriver()) {
    try {
      loadCudaLibraries();
    } catch {
      // The CPU works without them; whoever asks for CUDA calls loadCudaLibraries again and gets the reason.
    }
  }
  let addon: Binding;
  try {
    addon = requireAddon() as Binding;
  } catch (error) {
    if (error instanceof TorchdetError) throw error;
    throw loadError(addonPath() ?? 'the native addon', libtorch, error);
  }
  addon.initialize(TorchdetError, constants.MAX_LENGTH);
  binding = addon;
  return addon;
}

/**
 * Opens LibTorch's CUDA libraries (over a gigabyte with what they need), whether or not a driver was seen. To be of use it
 * must come before the first tensor work of the process; {@link loadBinding} calls it by itself where a driver is present.
 *
 * @returns whether the libraries are open; false where the LibTorch in use is a CPU build.
 * @throws TorchdetError ERR_LIBTORCH_LOAD where they are there and do not load, and as {@link loadBinding}.
 */
export function loadCudaLibraries(): boolean {
  if (cudaOpened !== undefined) return cudaOpened;
  const libtorch = openLibtorch();
  const libraries = ['libc10_cuda.so', 'libtorch_cuda.so'].map((name) =>
    join(libtorch.libDir, name),
  );
  const complete = libraries.every((path) => existsSync(path));
  if (complete) for (const path of libraries) open(path, libtorch);
  cudaOpened = complete;
  return complete;
}

/**
 * Opens torchdet's CUDA operators, which register themselves. They use LibTorch's CUDA libraries, and the addon defines their
 * schemas: both are opened before.
 *
 * @param path the library; default: the one beside the addon
 * @throws TorchdetError ERR_LIBTORCH_CPU where the LibTorch in use is a CPU build, ERR_CUDA_LIBRARY where the operators are
 *   missing or do not load, and as {@link loadBinding}
 */
export function openCudaOperators(path = cudaLibraryPath()): void {
  const { root } = openLibtorch();
  if (!loadCudaLibraries()) {
    throw new TorchdetError('ERR_LIBTORCH_CPU', `The LibTorch in use (${root}) is a CPU build.`);
  }
  loadBinding();
  if (path === undefined) throw missingOperators();
  loader ??= requireLoader();
  try {
    loader.open(path);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TorchdetError(
      'ERR_CUDA_LIBRARY',
      `Could not load torchdet's CUDA operators: ${reason}. They are made for one version of LibTorch and of torchdet: ` +
        'in a checkout build them again with "npm run build:cuda".',
      { cause: error },
    );
  }
}

/**
 * Opens libc10 and libtorch_cpu with global symbols: the addon names them as needed but knows no path to them.
 *
 * @throws as {@link loadBinding}, of which it is the first half
 */
export function openLibtorch(): LibtorchInstallation {
  const libtorch = libtorchInUse();
  if (!libtorchOpened) {
    for (const name of ['libc10.so', 'libtorch_cpu.so'])
      open(join(libtorch.libDir, name), libtorch);
    libtorchOpened = true;
  }
  return libtorch;
}

function open(path: string, libtorch: LibtorchInstallation): void {
  loader ??= requireLoader();
  try {
    loader.open(path);
  } catch (error) {
    throw loadError(path, libtorch, error);
  }
}

/** The dynamic linker's words, and what most often stands behind them. */
function loadError(path: string, libtorch: LibtorchInstallation, cause: unknown): TorchdetError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TorchdetError(
    'ERR_LIBTORCH_LOAD',
    `Could not load ${path}: ${reason}\n` +
      `LibTorch ${libtorch.version} was found through the ${libtorch.source} in ${libtorch.root}.\n` +
      likelyFixes(reason)
        .map((fix) => `  - ${fix}`)
        .join('\n'),
    { cause },
  );
}

/** Possible remedies for a message of the dynamic linker, the likeliest first. Exported for its test. */
export function likelyFixes(reason: string): string[] {
  const fixes: string[] = [];
  if (/lib(cudart|cupti)\.so/.test(reason)) {
    fixes.push(
      'A torch wheel needs its CUDA runtime libraries, also on the CPU: ' +
        'pip install nvidia-cuda-runtime==13.0.96 nvidia-cuda-cupti==13.0.85 beside torch.',
    );
  } else if (/lib(cudnn|cublas|cusparse|cusolver|cufft|curand|nccl|nvshmem)/.test(reason)) {
    fixes.push(
      'The CUDA libraries torch was built with are missing: install torch with its dependencies, or use a CPU build ' +
        `("${INSTALL_COMMAND} --flavour cpu").`,
    );
  }
  if (/GLIBC(XX)?_[\d.]+/.test(reason)) {
    fixes.push(
      `This system's C or C++ library is too old: LibTorch needs glibc ${MINIMUM_GLIBC} or newer (Debian 11, Ubuntu 20.04).`,
    );
  }
  if (/libstdc\+\+|libgomp|libgcc_s/.test(reason)) {
    fixes.push('Install the C++ runtime: apt-get install libstdc++6 libgcc-s1 libgomp1.');
  }
  if (/undefined symbol|invalid ELF|file too short|wrong ELF class/i.test(reason)) {
    fixes.push(
      `The file is damaged or of another build: install LibTorch again with "${INSTALL_COMMAND} --force"` +
        (loaderPath()?.includes('/build/') ? ', then the addon with "npm run build:native".' : '.'),
    );
  }
  fixes.push('Run "npx torchdet doctor": it shows what was found and loads it step by step.');
  return fixes;
}
