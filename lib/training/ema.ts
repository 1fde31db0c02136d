import type { Binding, NativeEma, NativeModule } from '../../binding';
import type { PendingCalls } from '../detection/calls';
import { rejectUnknownOptions, TorchdetError } from '../errors';
import { checkNumber, checkOptions } from '../nn/check';
import { Tensor } from '../tensor';

export interface EmaOptions {
  /** Share of the average that stays at each update. 0 to 1; 0.9998 suits runs of some 10,000 steps, less shorter ones. */
  readonly decay: number;
}

/**
 * An exponential moving average of a detector's parameters and buffers, which often detects better than the weights of any one
 * step: `detector.ema({ decay: 0.9998 })` makes one. torchvision's reference scripts call it ExponentialMovingAverage.
 */
export class Ema implements Disposable {
  /** Share of the average that stays at each update. */
  readonly decay: number;
  readonly #native: NativeEma;
  readonly #calls: PendingCalls;
  #inUse = false;

  private constructor(decay: number, native: NativeEma, calls: PendingCalls) {
    this.decay = decay;
    this.#native = native;
    this.#calls = calls;
  }

  /** @internal */
  static async create(
    binding: Binding,
    module: NativeModule,
    options: EmaOptions,
    /** Of the detector whose weights the averages take the place of. */
    calls: PendingCalls,
  ): Promise<Ema> {
    checkOptions('ema', options);
    rejectUnknownOptions('ema', options, ['decay']);
    const decay = checkNumber('ema', 'decay', options.decay, 0, 1);
    return new Ema(decay, await binding.Ema.create(module, decay), calls);
  }

  /** Takes the detector's present weights in; call it after each step. The first call copies them. */
  async update(): Promise<void> {
    await this.#calls.run(() => this.#native.update());
  }

  /** Makes the next update copy the weights, as torchvision's scripts do while the learning rate warms up. */
  async restart(): Promise<void> {
    await this.#native.restart();
  }

  /**
   * Runs `work` with the averages as the detector's weights, for evaluating or saving it, and puts its own back. Training steps
   * are not for in there.
   *
   * @throws TorchdetError ERR_INVALID_ARGUMENT where it is in use already; and what `work` throws
   */
  async use<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#inUse) {
      throw new TorchdetError('ERR_INVALID_ARGUMENT', 'ema.use: the averages are in use already.');
    }
    this.#inUse = true;
    try {
      const swap = () => this.#calls.change(() => this.#native.swap());
      await swap();
      try {
        return await work();
      } finally {
        await swap();
      }
    } finally {
      this.#inUse = false;
    }
  }

  /**
   * The averages under the detector's names, and `ema.updates`. On the CPU the tensors are the averages' own memory. Not inside
   * {@link Ema.use}.
   */
  async stateDict(): Promise<Record<string, Tensor>> {
    const state = await this.#native.stateDict();
    return Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => [name, new Tensor(tensor)]),
    );
  }

  /** @throws TorchdetError ERR_STATE_DICT where the state is of another model; nothing is changed then */
  async loadStateDict(state: Readonly<Record<string, Tensor>>): Promise<void> {
    await this.#native.loadState(
      Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, tensor.native])),
    );
  }

  /** Gives the averages' memory back. */
  dispose(): void {
    this.#native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
