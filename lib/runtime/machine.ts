import { readFileSync } from 'node:fs';
import { access, constants, mkdir, statfs } from 'node:fs/promises';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { cpuQuota } from './cores';

/** Instruction sets that decide how fast tensors are. */
const CPU_FEATURES = ['avx2', 'fma', 'f16c', 'avx512f', 'avx512_vnni', 'avx512_bf16', 'amx_bf16'];

/** The processor's name and which of the instruction sets that matter here it has. */
export function processor(): { model: string; features: string[] } {
  const flags = new Set(/^flags\s*:\s*(.*)$/m.exec(readText('/proc/cpuinfo'))?.[1]?.split(' '));
  return {
    model: cpus()[0]?.model.trim() ?? 'unknown',
    features: CPU_FEATURES.filter((feature) => flags.has(feature)),
  };
}

/** Cores and memory this process may use, and the limits of its container where there are any. */
export function resources(): {
  cores: number;
  hostCores: number;
  /** Cores' worth of time the container's quota allows; undefined where it has none. */
  cpuQuota: number | undefined;
  /** Bytes: the container's limit or the machine's memory. */
  memory: number;
} {
  const limit = Number(readText('/sys/fs/cgroup/memory.max').trim() || Number.NaN);
  return {
    cores: availableParallelism(),
    hostCores: cpus().length,
    cpuQuota: cpuQuota(),
    memory: limit > 0 ? Math.min(limit, totalmem()) : totalmem(),
  };
}

/** Whether a folder can be made and written to, and the bytes free on its disk. */
export async function folderState(folder: string): Promise<{ writable: boolean; free: number }> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK);
    const { bavail, bsize } = await statfs(folder);
    return { writable: true, free: bavail * bsize };
  } catch {
    return { writable: false, free: 0 };
  }
}

/** The NVIDIA kernel driver's version; undefined where there is none. */
export function nvidiaDriver(): string | undefined {
  return /Kernel Module(?:\s+for \S+)?\s+([\d.]+)/.exec(
    readText('/proc/driver/nvidia/version'),
  )?.[1];
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
