import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { TorchdetError } from '../errors';
import { addonPath } from './addons';
import { INSTALL_COMMAND, type LibtorchInstallation } from './libtorch';
import { hasNvidiaDriver } from './platform';

/** The library of CUDA operators stands beside the addon, in a build and in an installed package. */
export const CUDA_LIBRARY = 'libtorchdet_cuda.so';

/** Path of the library of CUDA operators; undefined where it is not built. */
export function cudaLibraryPath(addon = addonPath()): string | undefined {
  const path = addon === undefined ? undefined : join(dirname(addon), CUDA_LIBRARY);
  return path !== undefined && existsSync(path) ? path : undefined;
}

/** What is known when a device is asked for. */
export interface CudaSupport {
  readonly libtorch: Pick<LibtorchInstallation, 'flavour' | 'root'>;
  /** CUDA devices that LibTorch sees. */
  readonly devices: number;
  /** Opens the library of CUDA operators, or throws ERR_CUDA_LIBRARY. */
  readonly openOperators: () => void;
  /** Whether an NVIDIA driver answers; default {@link hasNvidiaDriver}. */
  readonly driver?: boolean;
}

/**
 * The device meant by `auto`, `cpu`, `cuda` or `cuda:<index>`, with its operators loaded. `auto` takes the CPU where CUDA
 * cannot be used, and says so where there is a device nevertheless.
 *
 * @returns `cpu` or `cuda:<index>`
 * @throws TorchdetError ERR_DEVICE where the name is unknown or there is no such device, ERR_LIBTORCH_CPU where LibTorch is a
 *   CPU build, ERR_CUDA_LIBRARY where torchdet's CUDA operators are missing or do not load
 */
export function chooseDevice(device: string, support: CudaSupport): string {
  if (device === 'cpu') return 'cpu';
  if (device === 'auto') return automatic(support);
  const match = /^cuda(?::(\d+))?$/.exec(device);
  if (!match) {
    throw new TorchdetError(
      'ERR_DEVICE',
      `Unknown device ${JSON.stringify(device)}: it must be "auto", "cpu", "cuda" or "cuda:<index>".`,
    );
  }
  const index = Number(match[1] ?? 0);
  if (index >= support.devices) throw missingDevice(device, support);
  support.openOperators();
  return `cuda:${String(index)}`;
}

function automatic({ devices, openOperators }: CudaSupport): string {
  if (devices === 0) return 'cpu';
  try {
    openOperators();
  } catch (error) {
    if (!(error instanceof TorchdetError)) throw error;
    process.emitWarning(`Detection runs on the CPU: ${error.message}`, { code: error.code });
    return 'cpu';
  }
  return 'cuda:0';
}

function missingDevice(device: string, support: CudaSupport): TorchdetError {
  const { libtorch, devices, driver = hasNvidiaDriver() } = support;
  const asked = `Device ${JSON.stringify(device)}`;
  if (devices > 0) {
    return new TorchdetError(
      'ERR_DEVICE',
      `${asked}: there ${devices === 1 ? 'is 1 CUDA device' : `are ${String(devices)} CUDA devices`}, numbered from 0.`,
    );
  }
  if (libtorch.flavour === 'cpu') {
    return new TorchdetError(
      'ERR_LIBTORCH_CPU',
      `${asked}: the LibTorch in use (${libtorch.root}) is a CPU build. ` +
        `"${INSTALL_COMMAND} --flavour cu130" installs the one with CUDA; "auto" takes the CPU.`,
    );
  }
  return new TorchdetError(
    'ERR_DEVICE',
    driver
      ? `${asked}: there is an NVIDIA driver, but LibTorch finds no CUDA device: the driver may be too old for CUDA 13.0. ` +
          '"npx torchdet doctor" shows both.'
      : `${asked}: this machine has no NVIDIA driver, or CUDA_VISIBLE_DEVICES hides its devices. "auto" takes the CPU.`,
  );
}

/** The error of a missing library. */
export function missingOperators(): TorchdetError {
  return new TorchdetError(
    'ERR_CUDA_LIBRARY',
    `torchdet's CUDA operators (${CUDA_LIBRARY}) are not beside its addon (${addonPath() ?? 'which is not built'}). ` +
      'In a checkout build them with "npm run build:cuda"; an installed package without them is a CPU package.',
  );
}
