import { TorchdetError } from '../errors';

/** Settles when a call may look at the weights, or change them. */
export type Turn = Promise<unknown>;

/**
 * The calls of a detector that are not settled yet: dispose() waits for them and refuses new ones. They see the weights in the order
 * they were made in: one that only looks at them may go beside others, one that changes them waits for all before it and goes before
 * all after it.
 */
export class PendingCalls {
  readonly #pending = new Set<Promise<unknown>>();
  /** Since the last change. */
  readonly #looking = new Set<Promise<unknown>>();
  #changed: Turn = Promise.resolve();
  #closed = false;

  /** Runs `call`, which looks at the weights, unless the owner was disposed. */
  run<T>(call: () => Promise<T>): Promise<T> {
    return this.runWithTurn((turn) => turn.then(call));
  }

  /** The same for a call that has something to do before its turn, which it waits for itself. */
  runWithTurn<T>(call: (turn: Turn) => Promise<T>): Promise<T> {
    const turn = this.#changed;
    return this.#track(() => call(turn), this.#looking);
  }

  /** Runs `call`, which changes the weights or how they are used, unless the owner was disposed. */
  change<T>(call: () => Promise<T>): Promise<T> {
    return this.changeWithTurn((turn) => turn.then(call));
  }

  /** The same for a call that has something to do before its turn. */
  changeWithTurn<T>(call: (turn: Turn) => Promise<T>): Promise<T> {
    const turn = Promise.allSettled([this.#changed, ...this.#looking]);
    this.#looking.clear();
    const promise = this.#track(() => call(turn));
    this.#changed = promise.catch(() => undefined);
    return promise;
  }

  /** Runs `call` in no order with others: one that takes its time, and makes calls of its own. */
  attend<T>(call: () => Promise<T>): Promise<T> {
    return this.#track(call);
  }

  async #track<T>(call: () => Promise<T>, others?: Set<Promise<unknown>>): Promise<T> {
    if (this.#closed) throw new TorchdetError('ERR_DISPOSED', 'The detector was disposed.');
    const promise = call();
    this.#pending.add(promise);
    others?.add(promise);
    try {
      return await promise;
    } finally {
      this.#pending.delete(promise);
      others?.delete(promise);
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

interface Listeners {
  readonly all: Set<() => void>;
  readonly tell: () => void;
}

const listening = new WeakMap<AbortSignal, Listeners>();

function listenersOf(signal: AbortSignal): Listeners {
  const there = listening.get(signal);
  if (there) return there;
  const all = new Set<() => void>();
  const tell = () => {
    for (const listener of all) listener();
  };
  signal.addEventListener('abort', tell, { once: true });
  const listeners = { all, tell };
  listening.set(signal, listeners);
  return listeners;
}

/**
 * Calls `listener` once the signal is aborted. A signal has one listener of ours, however many calls it is given to: one for all calls
 * of a server is no leak, which Node would warn of.
 *
 * @returns ends it
 */
export function onAbort(signal: AbortSignal, listener: () => void): () => void {
  const { all, tell } = listenersOf(signal);
  // The same function may be given twice.
  const own = () => {
    listener();
  };
  all.add(own);
  return () => {
    all.delete(own);
    if (all.size > 0 || listening.get(signal)?.all !== all) return;
    signal.removeEventListener('abort', tell);
    listening.delete(signal);
  };
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
    const leave = onAbort(signal, () => {
      cancel?.();
      reject(signal.reason as Error);
    });
    start().then(resolve, reject).finally(leave);
  });
}
