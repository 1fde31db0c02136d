/** How long things take. */

/** Steps whose time says how fast it goes. */
const timedSteps = 50;

/** The time a run has taken, over all processes that took part one after the other. */
export class Clock {
  #at = performance.now();
  #savedAt = performance.now();

  start(): void {
    this.#at = this.#savedAt = performance.now();
  }

  /** `before` and what passed since the last call. */
  seconds(before: number): number {
    const now = performance.now();
    const passed = (now - this.#at) / 1000;
    this.#at = now;
    return before + passed;
  }

  /** A checkpoint was written. */
  saved(): void {
    this.#savedAt = performance.now();
  }

  get minutesSinceSave(): number {
    return (performance.now() - this.#savedAt) / 60_000;
  }
}

/** The speed of the last steps, from asking for their images to their end. */
export class Pace {
  readonly #steps: { readonly seconds: number; readonly images: number }[] = [];
  #began = performance.now();

  start(): void {
    this.#began = performance.now();
  }

  /** A step is done. */
  add(images: number): void {
    this.#steps.push({ seconds: (performance.now() - this.#began) / 1000, images });
    if (this.#steps.length > timedSteps) this.#steps.shift();
  }

  get secondsPerStep(): number {
    return this.#sum('seconds') / Math.max(1, this.#steps.length);
  }

  get imagesPerSecond(): number {
    const seconds = this.#sum('seconds');
    return seconds === 0 ? 0 : this.#sum('images') / seconds;
  }

  #sum(what: 'seconds' | 'images'): number {
    return this.#steps.reduce((sum, step) => sum + step[what], 0);
  }
}
