import { spawn } from 'node:child_process';
import { mkdir, readdir, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { TorchdetError } from '../errors';
import { adviceFromText, WAYS_WITHOUT_NETWORK } from './install-errors';
import { LIBTORCH_VERSION } from './installation';

/** The CUDA build that the Python package index carries for Linux. */
export const PIP_CUDA_FLAVOUR = 'cu130';

/** libtorch_cpu.so of that build is linked to these two, so the CPU build needs them as well. */
const CPU_PACKAGES = ['nvidia-cuda-runtime==13.0.96', 'nvidia-cuda-cupti==13.0.85'];

/** What torch 2.11.0 asks for in its metadata, in the versions that its cuda-toolkit==13.0.2 stands for. */
const CUDA_PACKAGES = [
  ...CPU_PACKAGES,
  'nvidia-cublas==13.1.0.3',
  'nvidia-cuda-nvrtc==13.0.88',
  'nvidia-cudnn-cu13==9.19.0.56',
  'nvidia-cufft==12.0.0.61',
  'nvidia-cufile==1.15.1.6',
  'nvidia-curand==10.4.0.35',
  'nvidia-cusolver==12.0.4.66',
  'nvidia-cusparse==12.6.3.3',
  'nvidia-cusparselt-cu13==0.8.0',
  'nvidia-nccl-cu13==2.28.9',
  'nvidia-nvjitlink==13.0.88',
  'nvidia-nvshmem-cu13==3.4.5',
  'nvidia-nvtx==13.0.85',
];

/** What running and building on the CPU takes of the wheels: 0.5 of 1.2 GB, with every package's licence. */
const CPU_PART = [
  'torch/include',
  'torch/version.py',
  'torch/lib/libc10.so',
  'torch/lib/libtorch_cpu.so',
  'torch/lib/libgomp.so.1',
  'nvidia/cu13/lib/libcudart.so.13',
  'nvidia/cu13/lib/libcupti.so.13',
];

export interface PipOptions {
  /** Let pip draw its own progress bars on this process's stderr. */
  readonly terminal?: boolean | undefined;
  readonly log?: ((line: string) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly env?: NodeJS.ProcessEnv | undefined;
}

/**
 * Installs LibTorch from Python wheels into an empty folder, as torch/ and nvidia/. pip's own configuration applies (index,
 * proxies, certificates), pip checks the wheels against the index's hashes, and the wheels are chosen for this platform
 * whatever the version of the Python that runs pip.
 *
 * @throws TorchdetError ERR_LIBTORCH_INSTALL where Python or pip is missing or pip fails
 */
export async function installWithPip(
  folder: string,
  flavour: string,
  options: PipOptions,
): Promise<void> {
  const python = await findPip(options);
  const wheels = join(folder, 'wheels');
  const temporary = join(folder, 'tmp');
  await mkdir(temporary, { recursive: true });
  const packages = flavour === 'cpu' ? CPU_PACKAGES : CUDA_PACKAGES;
  options.log?.(
    `Installing torch ${LIBTORCH_VERSION} and ${String(packages.length)} nvidia packages with ${python} -m pip ` +
      `(${flavour === 'cpu' ? '0.5 GB' : 'over 2 GB'} to download)`,
  );
  const { code, output } = await run(
    python,
    [
      ...['-m', 'pip', 'install', '--no-deps', '--no-input', '--disable-pip-version-check'],
      ...['--no-compile', '--only-binary=:all:', '--implementation=cp', '--python-version=3.12'],
      // pip takes each tag literally; the packages carry several, all fit for glibc 2.28.
      ...Array.from({ length: 12 }, (_, i) => `--platform=manylinux_2_${String(28 - i)}_x86_64`),
      ...['--platform=manylinux2014_x86_64', '--target', wheels],
      `torch==${LIBTORCH_VERSION}`,
      ...packages,
    ],
    // pip unpacks in the temporary folder: on the same disk that is a rename, and /tmp is often small.
    {
      ...options,
      env: {
        ...(options.env ?? process.env),
        TMPDIR: temporary,
        PIP_ROOT_USER_ACTION: 'ignore',
        ...(options.terminal ? {} : { PIP_PROGRESS_BAR: 'off' }),
      },
    },
  );
  if (code !== 0) throw pipError(python, code, output);
  await rm(temporary, { recursive: true, force: true });
  const kept = flavour === 'cpu' ? await cpuPart(wheels) : await readdir(wheels);
  for (const path of kept) {
    await mkdir(dirname(join(folder, path)), { recursive: true });
    await rename(join(wheels, path), join(folder, path));
  }
  await rm(wheels, { recursive: true, force: true });
}

/** A wheel of another index may be a plain CPU build, which has no use for nvidia's libraries: keep what is there. */
async function cpuPart(wheels: string): Promise<string[]> {
  const all = new Set(await readdir(wheels, { recursive: true }));
  return [
    ...CPU_PART.filter((path) => all.has(path)),
    ...[...all].filter((path) => /^[^/]+\.dist-info$/.test(path)),
  ];
}

/** The Python whose pip is used: the first of python3 and python that has one. */
async function findPip(options: PipOptions): Promise<string> {
  const problems: string[] = [];
  for (const python of ['python3', 'python']) {
    const { code, output } = await run(python, ['-m', 'pip', '--version'], {
      env: options.env,
      signal: options.signal,
    });
    if (code === 0) return python;
    problems.push(
      code === undefined ? `${python} is not on PATH` : `${python}: ${lastLine(output)}`,
    );
  }
  throw new TorchdetError(
    'ERR_LIBTORCH_INSTALL',
    `LibTorch cannot be installed with pip here: ${problems.join('; ')}. Either install Python with pip ` +
      '(Debian: apt-get install python3-pip) and run this again, or install from the official zip with ' +
      `"npx torchdet install-libtorch --from official". ${WAYS_WITHOUT_NETWORK}`,
  );
}

function pipError(python: string, code: number | undefined, output: string): TorchdetError {
  const advice =
    adviceFromText(output) ??
    (/no matching distribution|could not find a version/i.test(output)
      ? "The index pip is configured for may not carry these packages, or cannot be reached: check pip's configuration " +
        `("${python} -m pip config list") and the variables HTTPS_PROXY and PIP_INDEX_URL.`
      : "Check pip's configuration, the variables HTTPS_PROXY and PIP_INDEX_URL, and the network.");
  const errors = output.split('\n').filter((line) => /error/i.test(line));
  return new TorchdetError(
    'ERR_LIBTORCH_INSTALL',
    `pip could not install torch ${LIBTORCH_VERSION} (exit status ${String(code ?? 'unknown')}): ` +
      `${errors.slice(-3).join(' ').trim() || lastLine(output)}\n${advice} ${WAYS_WITHOUT_NETWORK}`,
  );
}

function lastLine(text: string): string {
  return text.trim().split('\n').at(-1) ?? '';
}

/** Runs a program; `code` is undefined where it could not be started. Output is passed on line by line and kept. */
function run(
  program: string,
  args: readonly string[],
  options: PipOptions,
): Promise<{ code: number | undefined; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, {
      env: options.env ?? process.env,
      stdio: options.terminal ? ['ignore', 2, 2] : ['ignore', 'pipe', 'pipe'],
      ...(options.signal ? { signal: options.signal } : {}),
    });
    let output = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        output += text;
        if (options.signal?.aborted) return;
        for (const line of text.split(/[\r\n]+/)) if (line.trim()) options.log?.(line.trim());
      });
    }
    child.on('error', (error) => {
      // An aborted child is still ending; only after that may its folder be removed.
      if (!options.signal?.aborted) resolve({ code: undefined, output: error.message });
    });
    child.on('close', (code) => {
      if (options.signal?.aborted) reject(options.signal.reason as Error);
      else resolve({ code: code ?? -1, output });
    });
  });
}
