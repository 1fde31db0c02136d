/** Parallel work with bounds: how much is done at once, and how far ahead. */

/** Lets a number of tasks run at a time, in the order in which they came; each knows which lane it runs in. */
export class Lanes {
  readonly #free: number[];
  readonly #waiting: ((lane: number) => void)[] = [];

  constructor(count: number) {
    this.#free = Array.from({ length: count }, (_, lane) => count - 1 - lane);
  }

  /**
   * Runs a task when its turn comes, unless `stop` was aborted by then.
   *
   * @throws the reason of `stop`
   */
  async run<T>(stop: AbortSignal, task: (lane: number) => Promise<T>): Promise<T> {
    const lane = this.#free.pop() ?? (await this.#turn());
    try {
      stop.throwIfAborted();
      return await task(lane);
    } finally {
      const next = this.#waiting.shift();
      if (next) next(lane);
      else this.#free.push(lane);
    }
  }

  #turn(): Promise<number> {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
    });
  }
}

/**
 * Results of `start(0)` to `start(count - 1)` in order, begun up to `ahead` before they are asked for. Once the consumer
 * leaves, one fails or `signal` aborts, the signal that the others were given aborts too.
 *
 * @throws the reason of `signal`, or what a task failed with
 */
export async function* readAhead<T>(
  count: number,
  ahead: number,
  start: (position: number, stop: AbortSignal) => Promise<T>,
  signal?: AbortSignal,
): AsyncGenerator<T, void, undefined> {
  signal?.throwIfAborted();
  const leaving = new AbortController();
  const stop = signal ? AbortSignal.any([signal, leaving.signal]) : leaving.signal;
  const aborted = abortion(signal);
  const begun: Promise<T>[] = [];
  let next = 0;
  const begin = (limit: number): void => {
    for (; begun.length < limit && next < count; next++) {
      const task = start(next, stop);
      // Whoever waits for it hears of a failure; until then it must not count as unhandled.
      task.catch(() => undefined);
      begun.push(task);
    }
  };
  try {
    begin(ahead + 1);
    for (let task = begun.shift(); task; task = begun.shift()) {
      const result = await Promise.race([task, aborted.promise]);
      // The result is in use from here on, so the others are ahead of it.
      begin(ahead);
      yield result;
      signal?.throwIfAborted();
      begin(ahead + 1);
    }
  } finally {
    aborted.forget();
    leaving.abort(new Error('The loop was left.'));
  }
}

/** A promise that rejects when the signal aborts. */
function abortion(signal: AbortSignal | undefined): { promise: Promise<never>; forget(): void } {
  let forget = (): void => undefined;
  const promise = new Promise<never>((_, reject) => {
    if (!signal) return;
    const abort = (): void => {
      reject(signal.reason as Error);
    };
    signal.addEventListener('abort', abort);
    forget = () => {
      signal.removeEventListener('abort', abort);
    };
  });
  promise.catch(() => undefined);
  return { promise, forget };
}
