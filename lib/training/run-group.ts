/** A run's processes, as the trainer sees them: one alone, or several that must do the same things in the same order. */
import type { Detector } from '../detector';
import type { ProcessGroup } from '../distributed';
import { TorchdetError } from '../errors';

export class RunGroup {
  /** undefined where the process is alone. */
  readonly processes: ProcessGroup | undefined;
  /** Whether batches may be empty because images in them could not be read. */
  readonly #maySkip: boolean;
  #stopping = false;

  constructor(group: ProcessGroup | undefined, maySkip: boolean) {
    this.processes = group && group.worldSize > 1 ? group : undefined;
    this.#maySkip = maySkip;
  }

  /** Whether this process writes the run's files. */
  get isFirst(): boolean {
    return this.processes?.isFirst ?? true;
  }

  get rank(): number {
    return this.processes?.rank ?? 0;
  }

  get size(): number {
    return this.processes?.worldSize ?? 1;
  }

  /** Weights and buffers become rank 0's. */
  async synchronize(detector: Detector): Promise<void> {
    if (this.processes) await detector.synchronize(this.processes);
  }

  async barrier(): Promise<void> {
    await this.processes?.barrier();
  }

  /** Tells the others that this process does not go on: they would wait for it. */
  async abandon(error: unknown): Promise<void> {
    await this.processes?.abandon(error instanceof Error ? error.message : String(error));
  }

  /** Whether all processes have something to make a step of: one that has nothing would keep the others waiting. */
  async allHave(something: boolean): Promise<boolean> {
    if (!this.processes || !this.#maySkip) return something;
    const all = await this.processes.allGather(something);
    return all.every((theirs) => theirs);
  }

  /** What all processes made of a step. They also agree on whether the run stops after it. */
  async joined<Part>(parts: readonly Part[], signal: AbortSignal | undefined): Promise<Part[]> {
    if (!this.processes) return [...parts];
    const all = await this.processes.allGather({ parts, stopping: signal?.aborted ?? false });
    this.#stopping = all.some(({ stopping }) => stopping);
    return all.flatMap((theirs) => theirs.parts);
  }

  /**
   * Ends a run that was told to stop before it began, in all processes: one that went on would wait for the others.
   *
   * @throws as {@link throwIfStopped}
   */
  async agreeToGoOn(signal: AbortSignal | undefined): Promise<void> {
    await this.joined([], signal);
    this.throwIfStopped(signal);
  }

  /**
   * Ends the run where it was told to stop: in several processes, where one was before the last step, so that all end after it.
   *
   * @throws the signal's reason; TorchdetError ERR_ABORTED where another process was told
   */
  throwIfStopped(signal: AbortSignal | undefined): void {
    if (this.processes && !this.#stopping) return;
    signal?.throwIfAborted();
    if (this.#stopping) {
      throw new TorchdetError('ERR_ABORTED', 'Another process of the run was told to stop.');
    }
  }
}
