/**
 * Runs a command that Ctrl-C ends: the first aborts `work`'s signal, a second one ends the process at once.
 *
 * @returns what `work` returned, or 130 after Ctrl-C
 */
export async function interruptible(
  work: (signal: AbortSignal) => Promise<number>,
): Promise<number> {
  const controller = new AbortController();
  const { signal } = controller;
  const interrupt = () => {
    controller.abort();
  };
  process.once('SIGINT', interrupt);
  try {
    return await work(signal);
  } catch (error) {
    if (!signal.aborted) throw error;
    process.stderr.write('interrupted\n');
    return 130;
  } finally {
    process.off('SIGINT', interrupt);
  }
}
