import { TorchdetError } from '../errors';
import { installLibtorch } from './install';
import { installReporter } from './install-progress';
import { findLibtorch, LIBTORCH_VERSION, type LibtorchInstallation } from './libtorch';
import { checkPlatform } from './platform';

export interface EnsureLibtorchOptions {
  /** Receives one line for every step; default: lines and progress bars on stderr. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * Finds LibTorch, or installs it for the CPU into torchdet's cache: for the build of a checkout and for CLI commands. The
 * library itself never calls this: a program that imports torchdet starts no download behind its user's back.
 *
 * @throws as findLibtorch where TORCHDET_LIBTORCH names something unfit, and as installLibtorch
 */
export async function ensureLibtorch(
  options: EnsureLibtorchOptions = {},
): Promise<LibtorchInstallation> {
  checkPlatform();
  try {
    return findLibtorch();
  } catch (error) {
    const missing = error instanceof TorchdetError && error.code === 'ERR_LIBTORCH_NOT_FOUND';
    // A folder that was named on purpose and does not fit is the user's to correct.
    if (!missing || process.env.TORCHDET_LIBTORCH) throw error;
  }
  const reporter = installReporter();
  const log = options.log ?? reporter.log;
  log(
    `LibTorch ${LIBTORCH_VERSION} is not on this machine yet: installing it into torchdet's cache (once)`,
  );
  const { signal } = options;
  try {
    return await installLibtorch({
      log,
      ...(options.log ? {} : { onProgress: reporter.onProgress, terminal: reporter.terminal }),
      ...(signal ? { signal } : {}),
    });
  } finally {
    reporter.finish();
  }
}
