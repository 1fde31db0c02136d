import type { Binding, NativeModule, NativeOptimizer } from '../../binding';
import { TorchdetError } from '../errors';
import { checkNumber } from '../nn/check';
import { Tensor } from '../tensor';
import { parameterGroups } from './groups';
import type { OptimizerDescription } from './optimizer-options';

/** Parameters of an optimizer that share learning rate and weight decay. */
export interface ParameterGroup {
  /** In the model's order. */
  readonly names: readonly string[];
  /** Before schedules. */
  readonly lr: number;
  readonly weightDecay: number;
}

/** An optimizer of one detector's parameters: `detector.optimizer(sgd({ lr: 0.005, momentum: 0.9 }))` makes one. */
export class Optimizer implements Disposable {
  readonly description: OptimizerDescription;
  /** First those of the description's groups, then the rest; each divided by weight decay. */
  readonly groups: readonly ParameterGroup[];
  /** @internal */
  readonly native: NativeOptimizer;
  #rates: readonly number[];

  private constructor(
    description: OptimizerDescription,
    groups: readonly ParameterGroup[],
    native: NativeOptimizer,
  ) {
    this.description = description;
    this.groups = groups;
    this.native = native;
    this.#rates = groups.map(({ lr }) => lr);
  }

  /** @internal */
  static async create(
    binding: Binding,
    module: NativeModule,
    description: OptimizerDescription,
  ): Promise<Optimizer> {
    // JavaScript callers may pass anything.
    const kind: unknown = (description as OptimizerDescription | undefined)?.kind;
    if (kind !== 'sgd' && kind !== 'adamw') {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        'optimizer: pass what sgd() or adamW() returns, for example sgd({ lr: 0.005, momentum: 0.9 }).',
      );
    }
    const groups = parameterGroups(description, await module.names());
    const native = await binding.Optimizer.create(module, { ...description, groups });
    return new Optimizer(description, groups, native);
  }

  /** The learning rate of each group now. */
  get learningRates(): readonly number[] {
    return this.#rates;
  }

  /**
   * Sets each group's learning rate to its own times `factor`: what a schedule gives for a step. Steps asked for after the call
   * use it, whether or not its promise is awaited.
   *
   * @throws TorchdetError ERR_OPTION_VALUE where `factor` is negative or not a number, ERR_DISPOSED
   */
  async scaleLearningRates(factor: number): Promise<void> {
    checkNumber('scaleLearningRates', 'factor', factor, 0);
    await this.#setRates(this.groups.map(({ lr }) => lr * factor));
  }

  /**
   * Sets the learning rates, one per group.
   *
   * @throws TorchdetError ERR_OPTION_VALUE, ERR_DISPOSED
   */
  async setLearningRates(rates: readonly number[]): Promise<void> {
    const where = 'setLearningRates';
    if (!Array.isArray(rates) || rates.length !== this.groups.length) {
      throw new TorchdetError(
        'ERR_OPTION_VALUE',
        `${where}: the optimizer has ${this.groups.length} groups: pass as many learning rates.`,
      );
    }
    rates.forEach((rate, i) => checkNumber(where, `rates[${i}]`, rate, 0));
    await this.#setRates(rates);
  }

  async #setRates(rates: readonly number[]): Promise<void> {
    await this.native.setLearningRates(rates);
    this.#rates = [...rates];
  }

  /** Forgets gradients that were accumulated and not yet used. */
  async zeroGrad(): Promise<void> {
    await this.native.zeroGrad();
  }

  /**
   * All that training needs to go on exactly: `lr` (float64, one per group), `state.<parameter>.<name>` with torch's names
   * (`momentum_buffer`; `step`, `exp_avg`, `exp_avg_sq`), and the loss scale of float16 training. On the CPU the tensors are the
   * optimizer's own memory: write them out before the next step.
   */
  async stateDict(): Promise<Record<string, Tensor>> {
    const state = await this.native.stateDict();
    return Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => [name, new Tensor(tensor)]),
    );
  }

  /**
   * Puts a state back, learning rates included.
   *
   * @throws TorchdetError ERR_STATE_DICT where it is of another optimizer or model; nothing is changed then
   */
  async loadStateDict(state: Readonly<Record<string, Tensor>>): Promise<void> {
    await this.native.loadState(
      Object.fromEntries(Object.entries(state).map(([name, tensor]) => [name, tensor.native])),
    );
    const rates = state.lr?.data;
    if (rates) this.#rates = Array.from(rates, Number);
  }

  /** Gives the state's memory back, behind steps under way. */
  dispose(): void {
    this.native.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
