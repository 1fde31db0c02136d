/** What a step is put together from: batches, and the parts of several processes. */
import type { TrainStepResult } from './detector-training';

/** A batch's result, and how many images it had. */
export interface Part extends TrainStepResult {
  readonly images: number;
}

/** Means of the losses by name, and of the totals. */
export function meanOf(parts: readonly Part[]): { losses: Record<string, number>; total: number } {
  const losses: Record<string, number> = {};
  for (const part of parts) {
    for (const [name, value] of Object.entries(part.losses)) {
      losses[name] = (losses[name] ?? 0) + value / parts.length;
    }
  }
  return { losses, total: parts.reduce((sum, { total }) => sum + total / parts.length, 0) };
}
