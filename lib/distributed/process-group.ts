import { deserialize, serialize } from 'node:v8';
import type { Binding, CancelToken, NativeModule, NativeProcessGroup } from '../../binding';
import { abortable } from '../detection/calls';
import { engine, onCallersStack, resolveDevice, setThreads } from '../engine';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { checkChoice, checkInteger, checkPositive } from '../nn/check';
import { defaultThreads } from '../runtime/cores';
import { localAddress, resolveMaster, waitForMaster } from './address';
import { placeInEnvironment, type RunPlace } from './environment';

/** Options of {@link ProcessGroup.join}. */
export interface JoinOptions {
  /**
   * Device of the detectors that are trained: `cpu`, `cuda`, `cuda:<index>` or `auto` (default). `auto` and `cuda` take the device
   * of the process's number on its machine, LOCAL_RANK.
   */
  readonly device?: string | undefined;
  /**
   * How gradients on a CUDA device are summed: `nccl`, or `gloo`, through the CPU's memory. Default `auto`: NCCL where LibTorch has
   * it. Everything else, and all on the CPU, goes over Gloo.
   */
  readonly backend?: 'auto' | 'gloo' | 'nccl' | undefined;
  /** Seconds to wait for the other processes to come. Default 300. */
  readonly connectTimeout?: number | undefined;
  /** Seconds that a process may let the others wait, for example while it evaluates. Default 1800. */
  readonly timeout?: number | undefined;
  /** Threads of this process on the CPU. Default: its share of the machine's, by LOCAL_WORLD_SIZE. */
  readonly threads?: number | undefined;
  /** Stops waiting for the others, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of a group's calls. */
export interface CollectiveOptions {
  /** Rejects with the signal's reason, and ends the group: its processes are out of step then. */
  readonly signal?: AbortSignal | undefined;
}

const JOIN_OPTIONS = [
  'device',
  'backend',
  'connectTimeout',
  'timeout',
  'threads',
  'signal',
] as const;

function deviceOf(device: string, place: RunPlace | undefined): string {
  if (!place || (device !== 'auto' && device !== 'cuda')) return resolveDevice(device);
  const count = engine().cudaDeviceCount();
  if (count === 0) return resolveDevice(device);
  return resolveDevice(`cuda:${place.localRank % count}`);
}

function usesNccl(binding: Binding, device: string, wanted: unknown): boolean {
  const backend = checkChoice('ProcessGroup.join', 'backend', wanted, ['auto', 'gloo', 'nccl']);
  const isThere = device.startsWith('cuda') && binding.ProcessGroup.hasNccl();
  if (backend !== 'nccl' || isThere) return backend !== 'gloo' && isThere;
  const expected = device === 'cpu' ? '"gloo" on the CPU' : '"gloo": this LibTorch has no NCCL';
  throw optionError('ProcessGroup.join', 'backend', backend, expected);
}

async function connect(
  binding: Binding,
  place: RunPlace,
  { device, nccl }: { device: string; nccl: boolean },
  options: JoinOptions,
): Promise<NativeProcessGroup> {
  const { signal } = options;
  const where = 'ProcessGroup.join';
  const connectTimeout =
    1000 * checkPositive(where, 'connectTimeout', options.connectTimeout ?? 300);
  const timeout = 1000 * checkPositive(where, 'timeout', options.timeout ?? 1800);
  const began = performance.now();
  const { rank, worldSize, masterAddress, masterPort: port } = place;
  const master = await resolveMaster(masterAddress);
  const serves = rank === 0 && !place.launcherServes;
  if (!serves) await waitForMaster(master, port, connectTimeout, signal);
  const token: CancelToken = new binding.CancelToken();
  const join = async () =>
    binding.ProcessGroup.join(
      {
        rank,
        size: worldSize,
        host: master.address,
        port,
        serves,
        prefix: `torchdet/${place.attempt}`,
        localAddress: await localAddress(master, port, process.env.GLOO_SOCKET_IFNAME),
        connectTimeout: Math.max(1, connectTimeout - (performance.now() - began)),
        timeout,
        device,
        nccl,
      },
      token,
    );
  const cancel = () => {
    token.cancel();
  };
  return abortable(signal, cancel, join);
}

/**
 * The processes of a run that train one model together, each on its part of every batch. All of them make the same calls in the
 * same order, and the same number of training steps:
 *
 * ```ts
 * const group = await ProcessGroup.join(); // RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT
 * await detector.synchronize(group);
 * for await (const { samples } of loader.epoch(0)) await detector.trainStep(samples, { optimizer, group });
 * ```
 *
 * Where one process ends, fails or hangs, the others' present or next call rejects with ERR_PEER_LOST. A process that runs alone
 * gets a group of one, whose calls do nothing, so that the same program does for both.
 */
export class ProcessGroup implements Disposable {
  /** This process's number, from 0. */
  readonly rank: number;
  /** Processes in all. */
  readonly worldSize: number;
  /** This process's number on its machine. */
  readonly localRank: number;
  /** Where the detectors must be that train in it: `cpu` or `cuda:<index>`. */
  readonly device: string;
  /** @internal null in a group of one */
  readonly native: NativeProcessGroup | null;
  readonly #binding: Binding;

  private constructor(
    binding: Binding,
    place: RunPlace | undefined,
    device: string,
    native: NativeProcessGroup | null,
  ) {
    this.#binding = binding;
    this.rank = place?.rank ?? 0;
    this.worldSize = place?.worldSize ?? 1;
    this.localRank = place?.localRank ?? 0;
    this.device = device;
    this.native = native;
  }

  /**
   * Waits until all processes of the run have come and are connected.
   *
   * @throws TorchdetError ERR_OPTION_UNKNOWN; ERR_OPTION_VALUE for options and environment variables; ERR_DEVICE; ERR_PROCESS_GROUP
   *   where processes are missing after `connectTimeout`, two have the same rank, their numbers differ, or the port is taken; the
   *   signal's reason
   */
  static async join(options: JoinOptions = {}): Promise<ProcessGroup> {
    const caller = new Error();
    rejectUnknownOptions('ProcessGroup.join', options, JOIN_OPTIONS);
    return onCallersStack(ProcessGroup.#join(options), caller);
  }

  static async #join(options: JoinOptions): Promise<ProcessGroup> {
    const place = placeInEnvironment(process.env);
    const { signal, device: wanted = 'auto' } = options;
    signal?.throwIfAborted();
    const binding = engine();
    const device = deviceOf(wanted, place);
    if (options.threads !== undefined) {
      setThreads(checkInteger('ProcessGroup.join', 'threads', options.threads, 1));
    } else if (place) {
      setThreads(defaultThreads({ processes: place.localWorldSize }));
    }
    const nccl = usesNccl(binding, device, options.backend ?? 'auto');
    const native = place ? await connect(binding, place, { device, nccl }, options) : null;
    return new ProcessGroup(binding, place, device, native);
  }

  /** Whether this is rank 0, the one that writes files and talks to the user. */
  get isFirst(): boolean {
    return this.rank === 0;
  }

  /**
   * Everybody's value, by rank. Values are copied as `structuredClone` does.
   *
   * @throws TorchdetError ERR_PEER_LOST, ERR_DISPOSED; the signal's reason
   */
  async allGather<T>(value: T, options: CollectiveOptions = {}): Promise<T[]> {
    const { native } = this;
    if (!native) return [structuredClone(value)];
    const bytes = serialize(value);
    const all = await this.#collective(options, (token) => native.allGather(bytes, token));
    return all.map((theirs) => deserialize(theirs) as T);
  }

  /**
   * Rank 0's value; what the others pass is not looked at.
   *
   * @throws TorchdetError as {@link ProcessGroup.allGather}
   */
  async broadcast<T>(value: T, options: CollectiveOptions = {}): Promise<T> {
    const all = await this.allGather(this.isFirst ? value : undefined, options);
    return all[0] as T;
  }

  /**
   * Sum, mean or largest of everybody's numbers, place by place: for losses and counts. Gradients are averaged by
   * {@link Detector.trainStep}.
   *
   * @throws TorchdetError ERR_INVALID_ARGUMENT where not all pass as many numbers; and as {@link ProcessGroup.allGather}
   */
  async allReduce(
    values: readonly number[],
    how: 'sum' | 'mean' | 'max' = 'sum',
    options: CollectiveOptions = {},
  ): Promise<number[]> {
    const all = await this.allGather(values, options);
    if (all.some(({ length }) => length !== values.length)) {
      const counts = all.map(({ length }) => length).join(', ');
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `allReduce: all processes must pass as many numbers; they passed ${counts}.`,
      );
    }
    return values.map((_, i) => {
      const column = all.map((row) => row[i] ?? 0);
      if (how === 'max') return Math.max(...column);
      const sum = column.reduce((total, value) => total + value, 0);
      return how === 'mean' ? sum / all.length : sum;
    });
  }

  /**
   * Waits until all processes have come here.
   *
   * @throws TorchdetError as {@link ProcessGroup.allGather}
   */
  async barrier(options: CollectiveOptions = {}): Promise<void> {
    const { native } = this;
    if (native) await this.#collective(options, (token) => native.barrier(token));
  }

  /** @internal A module's parameters and buffers become rank 0's. */
  async synchronize(module: NativeModule, options: CollectiveOptions = {}): Promise<void> {
    const { native } = this;
    if (native) await this.#collective(options, (token) => native.synchronize(module, token));
  }

  /** Tells the others that this process does not go on, and why: they get ERR_PEER_LOST with the reason. */
  async abandon(reason: string): Promise<void> {
    await this.native?.abandon(`rank ${this.rank} gave up: ${reason}`);
  }

  /**
   * Waits for all others to be done, and takes the connections down.
   *
   * @throws TorchdetError as {@link ProcessGroup.allGather}
   */
  async leave(): Promise<void> {
    await this.barrier();
    this.dispose();
  }

  /** Takes the connections down without waiting; others that still need this process get ERR_PEER_LOST. */
  dispose(): void {
    this.native?.dispose();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async #collective<T>(
    options: CollectiveOptions,
    call: (token: CancelToken) => Promise<T>,
  ): Promise<T> {
    const caller = new Error();
    const token = new this.#binding.CancelToken();
    const cancel = () => {
      token.cancel();
    };
    return onCallersStack(
      abortable(options.signal, cancel, () => call(token)),
      caller,
    );
  }
}

/** @throws TorchdetError ERR_OPTION_VALUE */
export function checkGroup(where: string, group: unknown): ProcessGroup | undefined {
  if (group === undefined || group instanceof ProcessGroup) return group;
  throw optionError(where, 'group', group, 'what ProcessGroup.join() returns');
}
