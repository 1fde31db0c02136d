import type { NativeModule, NativeTensor, ScriptValue } from '../../binding';
import { engine, onCallersStack, resolveDevice } from '../engine';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { Tensor } from '../tensor';
import type { ModuleSpec } from './spec';

/** What goes into a module's methods and comes out of them: TorchScript's values. */
export type Value =
  Tensor | number | boolean | string | null | readonly Value[] | { readonly [name: string]: Value };

/** A parameter or buffer of a compiled module. */
export interface ModuleTensor {
  /** As in torch's state dict, for example `body.layer1.0.conv1.weight`. */
  readonly name: string;
  readonly shape: readonly number[];
  /** Parameters only: whether it trains. */
  readonly requiresGrad: boolean;
}

export interface CompileOptions {
  /** `auto` (default), `cpu`, `cuda` or `cuda:<index>`. */
  readonly device?: string;
  /** Seed of the first values, as torch.manual_seed. Default 0. */
  readonly seed?: number;
}

function toScript(value: Value): ScriptValue {
  if (value instanceof Tensor) return value.native;
  if (Array.isArray(value)) return (value as readonly Value[]).map(toScript);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value as Record<string, Value>).map(([name, item]) => [name, toScript(item)]),
  );
}

function fromScript(value: ScriptValue): Value {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) return (value as readonly ScriptValue[]).map(fromScript);
  if ('toTypedArray' in value) return new Tensor(value as NativeTensor);
  return Object.fromEntries(
    Object.entries(value as Record<string, ScriptValue>).map(([name, item]) => [
      name,
      fromScript(item),
    ]),
  );
}

/**
 * A described module in LibTorch: what a backbone of one's own is tried out with before a detector is built on it. torch's
 * counterpart is a scripted `torch.nn.Module`.
 */
export class CompiledModule implements AsyncDisposable {
  readonly #native: NativeModule;

  private constructor(native: NativeModule) {
    this.#native = native;
  }

  /**
   * Compiles a description. The module starts in training mode, as torch's do.
   *
   * @throws TorchdetError ERR_COMPILE naming the submodule and what TorchScript says, ERR_DEVICE
   */
  static async compile(spec: ModuleSpec, options: CompileOptions = {}): Promise<CompiledModule> {
    const caller = new Error();
    rejectUnknownOptions('compile', options, ['device', 'seed']);
    const { device = 'auto', seed = 0 } = options;
    if (!Number.isSafeInteger(seed) || seed < 0) {
      throw optionError('compile', 'seed', seed, 'a non-negative integer');
    }
    const compiling = engine().Module.compile(spec, { device: resolveDevice(device), seed });
    return new CompiledModule(await onCallersStack(compiling, caller));
  }

  /**
   * Opens any TorchScript archive.
   *
   * @throws TorchdetError ERR_ARCHIVE_FORMAT, ERR_DEVICE
   */
  static async load(path: string, options: Omit<CompileOptions, 'seed'> = {}) {
    const caller = new Error();
    rejectUnknownOptions('load', options, ['device']);
    const device = resolveDevice(options.device ?? 'auto');
    return new CompiledModule(await onCallersStack(engine().Module.load(path, { device }), caller));
  }

  /**
   * Runs a method without gradients.
   *
   * @param method `forward` (default), or a submodule's, for example `body.layer1.forward`
   * @throws TorchdetError ERR_INVALID_ARGUMENT where the arguments do not fit the method, ERR_NATIVE, ERR_DISPOSED
   */
  async call(args: readonly Value[], method = 'forward'): Promise<Value> {
    const caller = new Error();
    return fromScript(await onCallersStack(this.#native.call(method, args.map(toScript)), caller));
  }

  /** Parameters by torch's names, in its order. */
  async parameters(): Promise<ModuleTensor[]> {
    return this.#entries('parameter');
  }

  /** Buffers likewise. */
  async buffers(): Promise<ModuleTensor[]> {
    return this.#entries('buffer');
  }

  async #entries(wanted: 'parameter' | 'buffer'): Promise<ModuleTensor[]> {
    return (await this.#native.names())
      .filter(({ kind }) => kind === wanted)
      .map(({ name, shape, requiresGrad }) => ({ name, shape, requiresGrad }));
  }

  /** Parameters and buffers; on the CPU the tensors are the module's own memory. */
  async stateDict(): Promise<Record<string, Tensor>> {
    const state = await this.#native.stateDict();
    return Object.fromEntries(
      Object.entries(state).map(([name, tensor]) => [name, new Tensor(tensor)]),
    );
  }

  /**
   * Copies values in. All must exist and fit, else nothing is changed; names that are not given keep their values.
   *
   * @throws TorchdetError ERR_STATE_DICT
   */
  async loadStateDict(state: Readonly<Record<string, Tensor>>): Promise<void> {
    const tensors = Object.entries(state).map(([name, tensor]) => [name, tensor.native]);
    await this.#native.loadState(Object.fromEntries(tensors) as Record<string, NativeTensor>);
  }

  /** Training mode: batch norm uses and updates the batch's statistics, dropout drops. */
  async train(training = true): Promise<void> {
    await this.#native.setTraining(training);
  }

  /** Evaluation mode. */
  async eval(): Promise<void> {
    await this.train(false);
  }

  /**
   * Stops the parameters under the given prefixes from training; `unfreeze` lets them train again.
   *
   * @throws TorchdetError ERR_INVALID_ARGUMENT for a prefix that no parameter has
   */
  async freeze(...prefixes: string[]): Promise<void> {
    await this.#setTrainable(prefixes, false);
  }

  async unfreeze(...prefixes: string[]): Promise<void> {
    await this.#setTrainable(prefixes, true);
  }

  async #setTrainable(prefixes: readonly string[], trainable: boolean): Promise<void> {
    const names = (await this.parameters()).map(({ name }) => name);
    const chosen = prefixes.flatMap((prefix) => {
      const matching = names.filter((name) => name.startsWith(prefix));
      if (matching.length > 0) return matching;
      const groups = [...new Set(names.map((name) => name.split('.')[0]))].join(', ');
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `No parameter's name starts with ${JSON.stringify(prefix)}; they start with ${groups}.`,
      );
    });
    await this.#native.setRequiresGrad(chosen, trainable);
  }

  /** Writes a `.pt` that torch.jit.load reads too. */
  async save(path: string): Promise<void> {
    await this.#native.save(path, {});
  }

  dispose(): void {
    this.#native.dispose();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.dispose();
    return Promise.resolve();
  }
}

/** Compiles a described module: see {@link CompiledModule.compile}. */
export function compile(spec: ModuleSpec, options: CompileOptions = {}): Promise<CompiledModule> {
  return CompiledModule.compile(spec, options);
}
