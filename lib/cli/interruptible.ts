/** What ends a command early, and the exit code that says so. */
const codes = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs a command that Ctrl-C (SIGINT) or SIGTERM ends: the first aborts `work`'s signal, so that it can end in good order, a second
 * one of the kind ends the process at once.
 *
 * @returns what `work` returned, 130 after SIGINT, 143 after SIGTERM
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
    if (!signal.aborted) throw error;
    process.stderr.write('interrupted\n');
    return code;
  } finally {
    process.off('SIGINT', interrupt);
    process.off('SIGTERM', interrupt);
  }
}
