import { isMainThread } from 'node:worker_threads';
import type { Binding } from '../binding';
import { TorchdetError } from './errors';
import { loadBinding, openCudaOperators, openLibtorch } from './runtime/binding';
import { defaultThreads } from './runtime/cores';
import { chooseDevice } from './runtime/cuda';

let prepared: Binding | undefined;

/** The native part, loaded at first use, with the threads this process may have rather than those the host has. */
export function engine(): Binding {
  if (!prepared) {
    const binding = loadBinding();
    binding.setThreads(defaultThreads());
    // A worker's end runs the addon's cleanup hooks; the main thread's process.exit() does not.
    if (isMainThread) {
      process.once('exit', () => {
        binding.prepareExit();
      });
    }
    prepared = binding;
  }
  return prepared;
}

/**
 * How many threads each device's work may use on the CPU, from the next call on. Default: OMP_NUM_THREADS where that is set, else
 * the cores the process may run on (`os.availableParallelism()`), or fewer where its container's CPU quota pays for fewer.
 * One less than the machine has keeps a busy server's event loop at its quickest. Threads that wait for each other spin for a
 * fraction of a millisecond before they sleep; libgomp's GOMP_SPINCOUNT or OMP_WAIT_POLICY in the environment changes that.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where `threads` is not a positive integer.
 */
export function setThreads(threads: number): void {
  if (!Number.isInteger(threads) || threads < 1) {
    throw new TorchdetError(
      'ERR_OPTION_VALUE',
      `setThreads: threads must be a positive integer, got ${threads}.`,
    );
  }
  engine().setThreads(threads);
}

/**
 * The device meant by `auto`, `cpu`, `cuda` or `cuda:<index>`; for CUDA its operators are loaded.
 *
 * @throws TorchdetError ERR_DEVICE where it is not known or not there, ERR_LIBTORCH_CPU, ERR_CUDA_LIBRARY.
 */
export function resolveDevice(device: string): string {
  if (device === 'cpu') return 'cpu';
  const devices = engine().cudaDeviceCount();
  return chooseDevice(device, {
    libtorch: openLibtorch(),
    devices,
    openOperators: openCudaOperators,
  });
}

/** Gives errors from native threads the stack of the call they belong to: their own would show the event loop only. */
export async function onCallersStack<T>(work: Promise<T>, caller: Error): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (error instanceof TorchdetError) {
      const frames = caller.stack?.split('\n').slice(1).join('\n') ?? '';
      error.stack = `${error.name} [${error.code}]: ${error.message}\n${frames}`;
    }
    throw error;
  }
}
