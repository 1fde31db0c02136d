import { TorchdetError } from '../errors';

/** What a file system's error code means for an installation and what to do about it. */
const ADVICE: Record<string, string> = {
  ENOSPC:
    'The disk is full. LibTorch takes 0.6 GB for the CPU and up to 5 GB with CUDA, and twice that while it is installed: ' +
    'free some space, or set TORCHDET_CACHE to a folder on another disk.',
  EDQUOT: 'Your disk quota is used up: free some space, or set TORCHDET_CACHE to another disk.',
  EROFS: 'That file system is read-only: set TORCHDET_CACHE to a folder that can be written to.',
  EACCES: 'That folder may not be written to: set TORCHDET_CACHE to one that may.',
  EPERM: 'That folder may not be written to: set TORCHDET_CACHE to one that may.',
  ENOTDIR: 'A part of that path is a file: set TORCHDET_CACHE to a folder.',
};

/** Gives a failed installation its code, the folder and what to do; errors that are torchdet's own pass unchanged. */
export function installError(error: unknown, folder: string, signal?: AbortSignal): unknown {
  if (signal?.aborted) return signal.reason;
  if (error instanceof TorchdetError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const advice = ADVICE[(error as NodeJS.ErrnoException | undefined)?.code ?? ''];
  return new TorchdetError(
    'ERR_LIBTORCH_INSTALL',
    `Could not install LibTorch into ${folder}: ${reason}.${advice ? ` ${advice}` : ''}`,
    { cause: error },
  );
}

/** The same advice for a full disk that another program (pip) reports in words. */
export function adviceFromText(text: string): string | undefined {
  if (/no space left on device/i.test(text)) return ADVICE.ENOSPC;
  if (/read-only file system/i.test(text)) return ADVICE.EROFS;
  if (/permission denied/i.test(text)) return ADVICE.EACCES;
  return undefined;
}

/** The ways to get LibTorch that need no network, for messages about one that failed. */
export const WAYS_WITHOUT_NETWORK =
  'On a machine with a network, download the zip or wheel, bring it here and give it to ' +
  '"npx torchdet install-libtorch --from <file or folder>".';
