import { TorchdetError } from '../errors';

/** What ends a command early, and the exit code that says so. */
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Whether an error only says that the signal was aborted. One that came of ending in good order, as of a checkpoint that cannot be
 * written, does not: whoever pressed Ctrl-C must hear of it.
 */
export function isInterruption(error: unknown, signal: AbortSignal | undefined): boolean {
  if (!signal?.aborted) return false;
  if (error === signal.reason) return true;
  if (error instanceof TorchdetError) return error.code === 'ERR_ABORTED';
  // Node's own calls reject with an error of theirs, whose cause is the reason.
  return error instanceof Error && error.name === 'AbortError' && error.cause === signal.reason;
}

/**
 * Runs a command that Ctrl-C (SIGINT) or SIGTERM ends: the first aborts `work`'s signal, so that it can end in good order, a second
 * one of the kind ends the process at once.
 *
 * @returns what `work` returned, 130 after SIGINT, 143 after SIGTERM
 * @throws what `work` failed with, before or after it was told to end
 */
export async function interruptible(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  let code: number = codes.SIGINT;
  const interrupt = (name: NodeJS.Signals) => {
    if (name === 'SIGTERM') code = codes.SIGTERM;
    controller.abort();
  };
  process.once('SIGINT', interrupt);
  process.once('SIGTERM', interrupt);
  try {
    return await work(signal);
  } catch (error) {
    if (!isInterruption(error, signal)) throw error;
    process.stderr.write('interrupted\n');
    return code;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
