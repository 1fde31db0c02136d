import { existsSync, readFileSync } from 'node:fs';
import { TorchdetError } from '../errors';

/** What decides whether LibTorch can run here at all. */
export interface Platform {
  readonly os: string;
  readonly arch: string;
  /** The C library this process runs on; undefined where there is neither. */
  readonly libc: 'glibc' | 'musl' | undefined;
}

/** Oldest glibc that LibTorch's Linux builds start with (manylinux_2_28). */
export const MINIMUM_GLIBC = '2.28';

/** Reads the process's own memory map: exact, and without the network look-ups a full process report makes. */
function runningLibc(): Platform['libc'] {
  if (process.platform !== 'linux') return undefined;
  try {
    return /\/(ld-musl-|libc\.musl-)/.test(readFileSync('/proc/self/maps', 'utf8'))
      ? 'musl'
      : 'glibc';
  } catch {
    return existsSync('/etc/alpine-release') ? 'musl' : 'glibc';
  }
}

/** The platform this process runs on. */
export function currentPlatform(): Platform {
  return { os: process.platform, arch: process.arch, libc: runningLibc() };
}

/**
 * Refuses platforms LibTorch has no build for that torchdet supports.
 *
 * @throws TorchdetError ERR_PLATFORM saying what to use instead.
 */
export function checkPlatform(platform: Platform = currentPlatform()): void {
  const { os, arch, libc } = platform;
  if (os !== 'linux' || arch !== 'x64') {
    throw new TorchdetError(
      'ERR_PLATFORM',
      `torchdet runs on Linux on x64 with glibc; this is ${os} on ${arch}. ` +
        'On another system use a container: docker run --platform linux/amd64 node:20-slim.',
    );
  }
  if (libc === 'musl') {
    throw new TorchdetError(
      'ERR_PLATFORM',
      'This system uses the musl C library (Alpine Linux), for which LibTorch has no build. ' +
        'Use a glibc image instead: node:20-slim or any Debian, Ubuntu or Fedora based one.',
    );
  }
}

/** glibc's version, for reports; undefined on musl. Slow: it makes a process report. */
export function glibcVersion(): string | undefined {
  // Without this a report looks up the names of all open connections' peers.
  (process.report as { excludeNetwork?: boolean }).excludeNetwork = true;
  const report = process.report.getReport() as { header?: { glibcVersionRuntime?: string } };
  return report.header?.glibcVersionRuntime;
}

/**
 * Whether an NVIDIA driver answers on this machine (and the user has not hidden its devices with CUDA_VISIBLE_DEVICES):
 * only then is it worth opening LibTorch's CUDA libraries.
 */
export function hasNvidiaDriver(env: NodeJS.ProcessEnv = process.env): boolean {
  const visible = env.CUDA_VISIBLE_DEVICES;
  if (visible !== undefined && (visible.trim() === '' || visible.trim() === '-1')) return false;
  return ['/dev/nvidiactl', '/dev/nvidia0', '/dev/dxg'].some((path) => existsSync(path));
}
