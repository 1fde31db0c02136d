/*
 * The program that doctor runs in a child process: it loads everything step by step and tells its parent before and after
 * each step, because a bad shared object ends the process and tells nobody anything.
 */
import { loadBinding, loadCudaLibraries, openCudaOperators, openLibtorch } from './binding';
import type { ProbeMessage } from './probe';

function tell(message: ProbeMessage): void {
  process.send?.(message);
}

async function step(name: string, work: () => string | Promise<string>): Promise<void> {
  tell({ step: name, state: 'begun' });
  tell({ step: name, state: 'done', detail: await work() });
}

async function main(): Promise<void> {
  await step('LibTorch loads', () => {
    const { root, version } = openLibtorch();
    return `${version} from ${root}`;
  });
  await step('native addon loads', () => `built for torch ${loadBinding().torchVersion}`);
  await step('tensor operation', async () => {
    const binding = loadBinding();
    // Two boxes that overlap by 0.81 and one apart: the second goes.
    const corners = [0, 0, 10, 10, 1, 1, 10, 10, 20, 20, 30, 30];
    const boxes = binding.Tensor.fromMemory(new Float32Array(corners), 'float32', [3, 4]);
    const scores = binding.Tensor.fromMemory(new Float32Array([0.9, 0.8, 0.7]), 'float32', [3]);
    const kept = await binding.callOperator('torchvision::nms', [boxes, scores, 0.5], 'cpu');
    const indices = isTensor(kept) ? [...kept.toTypedArray()].join(', ') : typeof kept;
    if (indices !== '0, 2')
      throw new Error(`torchvision::nms kept boxes ${indices}; 0, 2 is right`);
    return 'torchvision::nms gives what it should';
  });
  await step('CUDA devices', () => {
    if (!loadCudaLibraries()) return 'none: this LibTorch is a CPU build';
    const count = loadBinding().cudaDeviceCount();
    try {
      if (count > 0) openCudaOperators();
    } catch (error) {
      // Detection then runs on the CPU.
      return `${String(count)}, of no use: ${error instanceof Error ? error.message : String(error)}`;
    }
    return String(count);
  });
}

function isTensor(value: unknown): value is { toTypedArray(): Iterable<number | bigint> } {
  return typeof value === 'object' && value !== null && 'toTypedArray' in value;
}

main().then(
  () => {
    process.disconnect();
  },
  (error: unknown) => {
    tell({ state: 'failed', detail: error instanceof Error ? error.message : String(error) });
    process.exitCode = 1;
    process.disconnect();
  },
);
