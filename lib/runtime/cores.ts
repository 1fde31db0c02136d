import { readFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { posix } from 'node:path';

/** Where the kernel shows control groups; another folder stands in for it in tests. */
const ROOT = '/';

/**
 * How many threads work on the CPU gets unless told otherwise: what OMP_NUM_THREADS says, as with PyTorch; else the cores this
 * process may run on, or the fewer that its container's quota pays for. A team of threads larger than the quota is stopped in the
 * middle of its work time and again, and each stop is waited for by all.
 *
 * @param processes how many share the cores; OMP_NUM_THREADS is for each of them
 */
export function defaultThreads({ env = process.env, root = ROOT, processes = 1 } = {}): number {
  // OpenMP takes a list, one number for each level of nesting.
  const asked = /^\s*(\d+)\s*(,|$)/.exec(env.OMP_NUM_THREADS ?? '')?.[1];
  if (Number(asked) > 0) return Number(asked);
  const cores = Math.min(availableParallelism(), Math.ceil(cpuQuota(root) ?? Infinity));
  return Math.max(1, Math.floor(cores / processes));
}

/** Cores' worth of time that the control group of this process, or one above it, allows; undefined where none has a quota. */
export function cpuQuota(root = ROOT): number | undefined {
  const quotas = groups(root).flatMap(({ folder, version }) => {
    const [quota, period] =
      version === 2
        ? readNumbers(posix.join(folder, 'cpu.max'))
        : ['cpu.cfs_quota_us', 'cpu.cfs_period_us'].flatMap((file) =>
            readNumbers(posix.join(folder, file)),
          );
    // "max" and -1 mean that there is none.
    return quota && period && quota > 0 ? [quota / period] : [];
  });
  return quotas.length > 0 ? Math.min(...quotas) : undefined;
}

/** Folders of the process's group and of those above it. Inside a container the uppermost is the container's own. */
function groups(root: string): { folder: string; version: 1 | 2 }[] {
  const lines = readText(posix.join(root, 'proc/self/cgroup')).split('\n');
  return lines.flatMap((line) => {
    const [, controllers, path] = /^\d+:([^:]*):(.*)$/.exec(line) ?? [];
    if (controllers === undefined || path === undefined) return [];
    const names = controllers.split(',');
    if (controllers !== '' && !names.includes('cpu')) return [];
    const version = controllers === '' ? 2 : 1;
    const mount = posix.join(root, 'sys/fs/cgroup', version === 2 ? '' : 'cpu');
    return ancestry(path).map((group) => ({ folder: posix.join(mount, group), version }));
  });
}

/** '/a/b' to ['/a/b', '/a', '/']. */
function ancestry(path: string): string[] {
  const above = posix.dirname(path);
  return above === path ? [path] : [path, ...ancestry(above)];
}

const readNumbers = (path: string): number[] => readText(path).trim().split(/\s+/).map(Number);

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // Not on Linux, or no such group here.
    return '';
  }
}
