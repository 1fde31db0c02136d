/** How one item's work went. */
export type Outcome<T, R> =
  | { readonly item: T; readonly index: number; readonly value: R }
  | { readonly item: T; readonly index: number; readonly error: unknown };

/**
 * Works on the next `ahead` items while the consumer is busy with the one it was given; outcomes come in the order of the
 * items. Once the consumer leaves, or `signal` aborts, no further item is started.
 *
 * @throws the signal's reason.
 */
export async function* readAhead<T, R>(
  items: readonly T[],
  ahead: number,
  work: (item: T) => Promise<R>,
  signal?: AbortSignal,
): AsyncGenerator<Outcome<T, R>, void, undefined> {
  const waiting = items.entries();
  const started: Promise<Outcome<T, R>>[] = [];
  const start = () => {
    const next = waiting.next();
    if (next.done) return;
    const [index, item] = next.value;
    const outcome = work(item).then(
      (value) => ({ item, index, value }),
      (error: unknown) => ({ item, index, error }),
    );
    started.push(outcome);
  };
  signal?.throwIfAborted();
  for (let k = 0; k < ahead; k++) start();
  for (let first = started.shift(); first; first = started.shift()) {
    const outcome = await first;
    signal?.throwIfAborted();
    start();
    yield outcome;
  }
}
