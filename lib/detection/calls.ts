import { TorchdetError } from '../errors';

/** The calls of a detector that are not settled yet, so that dispose() can wait for them and refuse new ones. */
export class PendingCalls {
  readonly #pending = new Set<Promise<unknown>>();
  #closed = false;

  /** Runs `call` unless the owner was disposed. */
  async run<T>(call: () => Promise<T>): Promise<T> {
    if (this.#closed) throw new TorchdetError('ERR_DISPOSED', 'The detector was disposed.');
    const promise = call();
    this.#pending.add(promise);
    try {
      return await promise;
    } finally {
      this.#pending.delete(promise);
    }
  }

  /** Refuses calls from now on and waits for those under way; false where it was closed before. */
  async close(): Promise<boolean> {
    const first = !this.#closed;
    this.#closed = true;
    await Promise.allSettled(this.#pending);
    return first;
  }
}

/**
 * Ties work to an AbortSignal: rejects with the signal's reason the moment it is aborted, and tells the work to stop.
 * `cancel`, where given, is called at most once.
 */
export function abortable<T>(
  signal: AbortSignal | undefined,
  cancel: (() => void) | undefined,
  start: () => Promise<T>,
): Promise<T> {
  if (!signal) return start();
  if (signal.aborted) return Promise.reject(signal.reason as Error);
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => {
      cancel?.();
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    start()
      .then(resolve, reject)
      .finally(() => {
        signal.removeEventListener('abort', onAbort);
      });
  });
}
