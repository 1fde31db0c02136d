/** Images on their way to the network: which of the waiting ones go together, in one call or in several. */
import type { CancelToken, NativeDetections, NativeImage } from '../../binding';
import type { BatchPlace } from './batches';
import { onAbort } from './calls';

/** How a call wants its images detected; batches are of calls that want the same. */
export interface DetectOptions {
  readonly scoreThreshold: number;
  readonly exact: boolean;
  /** One batch of all images of the call, and of no others. */
  readonly padded: boolean;
}

/** What a queue works for. */
export interface BatchDetector {
  /** Detects in images that go through the network together. */
  readonly detect: (
    images: readonly NativeImage[],
    options: DetectOptions & { readonly names: readonly string[] },
    token: CancelToken,
  ) => Promise<NativeDetections[]>;
  readonly cancelToken: () => CancelToken;
  readonly place: (image: NativeImage) => BatchPlace | undefined;
  /** Whether images of different calls go together. */
  readonly shared: boolean;
}

/** Batches given to the device's thread: one that it works on, and the next, so that it need not wait for the event loop. */
const AHEAD = 2;

interface Piece {
  readonly call: BatchCall;
  readonly index: number;
  readonly image: NativeImage;
  /** Pieces of one key may share a batch. */
  key: string;
  readonly most: number;
}

interface Batch {
  readonly calls: ReadonlySet<BatchCall>;
  readonly token: CancelToken;
}

/** The images of one predict(). */
export class BatchCall {
  readonly found = new Map<number, NativeDetections>();
  readonly done: Promise<NativeDetections[]>;
  /** Batches under way with images of this call. */
  running = 0;
  over = false;
  #settle!: (error?: Error) => void;
  #error: Error | undefined;

  constructor(
    readonly id: number,
    readonly options: DetectOptions,
    private readonly length: number,
  ) {
    this.done = new Promise((resolve, reject) => {
      this.#settle = (error) => {
        if (error === undefined) {
          resolve([...this.found].sort(([a], [b]) => a - b).map(([, detections]) => detections));
        } else reject(error);
      };
    });
  }

  /** Nothing more of it is begun. */
  end(error?: Error): void {
    this.#error ??= error;
    this.over = true;
    this.settleIfIdle();
  }

  /** Settles when all is found, or nobody waits for it, but not before its last batch has left the device. */
  settleIfIdle(): void {
    if (this.running > 0) return;
    if (this.over || this.found.size === this.length) this.#settle(this.#error);
  }
}

/**
 * The waiting images of one detector. While the device works, what comes in waits, and then goes together as far as it fits: images of
 * one shape, and of several calls where batches are shared.
 */
export class BatchQueue {
  #waiting: Piece[] = [];
  readonly #batches = new Set<Batch>();
  #calls = 0;

  constructor(private readonly detector: BatchDetector) {}

  /**
   * Detects in each image. Once the signal is aborted, what waits of the call is dropped, batches that nobody else wants stop at their
   * next stage, and the result is of no meaning.
   */
  async detect(
    images: readonly NativeImage[],
    options: DetectOptions,
    signal: AbortSignal | undefined,
  ): Promise<NativeDetections[]> {
    if (images.length === 0 || signal?.aborted) return [];
    const call = new BatchCall(this.#calls++, options, images.length);
    const leave =
      signal &&
      onAbort(signal, () => {
        this.#cancel(call);
      });
    for (const [index, image] of images.entries()) {
      this.#waiting.push({ call, index, image, ...this.#place(call, image, index) });
    }
    this.#next();
    try {
      return await call.done;
    } finally {
      leave?.();
    }
  }

  #place({ id, options }: BatchCall, image: NativeImage, index: number) {
    if (options.padded) return { key: `call ${id}`, most: Infinity };
    const place = this.detector.place(image);
    if (!place) return { key: `call ${id}, image ${index}`, most: 1 };
    // Exact is for comparing: not even rounding may depend on what else goes on.
    const company = this.detector.shared && !options.exact ? 'any' : `call ${id}`;
    return {
      key: `${company} ${options.scoreThreshold} ${options.exact} ${place.shape}`,
      most: place.most,
    };
  }

  #next(): void {
    while (this.#batches.size < AHEAD) {
      const [first] = this.#waiting;
      if (!first) return;
      const pieces = this.#waiting.filter(({ key }) => key === first.key).slice(0, first.most);
      this.#remove(new Set(pieces));
      this.#putBehind(new Set(pieces.map(({ call }) => call)));
      void this.#run(pieces, first.call.options);
    }
  }

  /** A call of many images lets others in between. */
  #putBehind(calls: ReadonlySet<BatchCall>): void {
    const others = this.#waiting.filter(({ call }) => !calls.has(call));
    if (others.length === 0) return;
    this.#waiting = [...others, ...this.#waiting.filter(({ call }) => calls.has(call))];
  }

  #remove(pieces: ReadonlySet<Piece>): void {
    this.#waiting = this.#waiting.filter((piece) => !pieces.has(piece));
  }

  async #run(pieces: readonly Piece[], options: DetectOptions): Promise<void> {
    const calls = new Set(pieces.map(({ call }) => call));
    const batch = { calls, token: this.detector.cancelToken() };
    this.#batches.add(batch);
    for (const call of calls) call.running += 1;
    try {
      const images = pieces.map(({ image }) => image);
      // Of the caller's list, not of the batch.
      const names = pieces.map(({ index }) => `images[${index}]`);
      const found = await this.detector.detect(images, { ...options, names }, batch.token);
      for (const [k, { call, index }] of pieces.entries()) {
        const detections = found[k];
        if (detections) call.found.set(index, detections);
      }
    } catch (error) {
      this.#failed(pieces, calls, error as Error);
    } finally {
      this.#batches.delete(batch);
      for (const call of calls) {
        call.running -= 1;
        call.settleIfIdle();
      }
      this.#next();
    }
  }

  /** One call's fault is none of the others': each goes again by itself. */
  #failed(pieces: readonly Piece[], calls: ReadonlySet<BatchCall>, error: Error): void {
    const alive = [...calls].filter(({ over }) => !over);
    if (calls.size > 1) {
      const again = pieces.filter(({ call }) => !call.over);
      for (const piece of again) piece.key = `call ${piece.call.id}, again ${piece.key}`;
      this.#waiting = [...again, ...this.#waiting];
      return;
    }
    for (const call of alive) this.#end(call, error);
  }

  #end(call: BatchCall, error?: Error): void {
    this.#remove(new Set(this.#waiting.filter((piece) => piece.call === call)));
    call.end(error);
  }

  #cancel(call: BatchCall): void {
    this.#end(call);
    for (const { calls, token } of this.#batches) {
      if ([...calls].every(({ over }) => over)) token.cancel();
    }
  }
}
