// Finds NVIDIA's compiler and headers, or installs them from Python wheels into the user's cache: a compiler that needs neither a
// GPU nor a driver, nor anything of the system's but its C++ compiler.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';

/** The release LibTorch 2.11.0's CUDA build is made with. Only used for building: nothing of it is shipped. */
const PACKAGES = [
  'nvidia-cuda-nvcc==13.0.88',
  'nvidia-cuda-crt==13.0.88',
  'nvidia-nvvm==13.0.88',
  'nvidia-cuda-cccl==13.0.85',
  'nvidia-cuda-runtime==13.0.96',
];
const RELEASE = '13.0.88';

/** Why the compiler is not to be had here, as opposed to a build that fails. */
export class ToolkitMissing extends Error {}

/**
 * The folder with bin/nvcc and include/: the one that TORCHDET_CUDA_TOOLKIT names, else the one in the cache, installed if need be.
 *
 * @throws ToolkitMissing
 */
export function findToolkit(cacheDirectory, log) {
  const named = process.env.TORCHDET_CUDA_TOOLKIT;
  if (named) {
    if (existsSync(join(named, 'bin', 'nvcc'))) return named;
    throw new ToolkitMissing(`TORCHDET_CUDA_TOOLKIT is "${named}", but there is no bin/nvcc in it`);
  }
  const folder = join(cacheDirectory, 'cuda-toolkit', RELEASE);
  const toolkit = join(folder, 'nvidia', 'cu13');
  if (!existsSync(join(toolkit, 'bin', 'nvcc'))) install(folder, log);
  return toolkit;
}

/** Into a folder beside, which gets its name at the end: what was cut off is never taken for whole. */
function install(folder, log) {
  const temporary = `${folder}.tmp-${String(process.pid)}`;
  log(`Installing NVIDIA's CUDA compiler with pip into ${folder} (0.3 GB, once)`);
  mkdirSync(temporary, { recursive: true });
  try {
    const { status, stderr, error } = spawnSync(
      'python3',
      [
        ...['-m', 'pip', 'install', '--quiet', '--no-deps', '--no-input', '--only-binary=:all:'],
        ...['--disable-pip-version-check', '--target', temporary, ...PACKAGES],
      ],
      { encoding: 'utf8', env: { ...process.env, PIP_ROOT_USER_ACTION: 'ignore' } },
    );
    if (status !== 0) {
      throw new ToolkitMissing(
        `pip could not install ${PACKAGES.join(', ')}: ${error?.message ?? stderr.trim()}`,
      );
    }
    rmSync(folder, { recursive: true, force: true });
    renameSync(temporary, folder);
  } finally {
    rmSync(temporary, { recursive: true, force: true });
  }
}
