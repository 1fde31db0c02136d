/** What metrics.jsonl holds: a line for each step, and one for each epoch. */
import type { BoxFigures, KeypointFigures } from '../evaluation';

/** One step. */
export interface StepRecord {
  readonly kind: 'step';
  /** From 0. */
  readonly epoch: number;
  /** Steps made with this one. */
  readonly step: number;
  /** By torchvision's names; means over the step's batches. */
  readonly losses: Readonly<Record<string, number>>;
  readonly total: number;
  /** Of the optimizer's first group without a rate of its own, this step's. */
  readonly lr: number;
  /** Norm of all gradients before they were clipped. */
  readonly gradNorm: number | null;
  /** Images used. */
  readonly images: number;
  /** Since the run began, over all processes that took part one after the other. */
  readonly seconds: number;
}

/** Figures of each kind that was evaluated. */
export interface EpochFigures {
  readonly bbox?: BoxFigures;
  readonly segm?: BoxFigures;
  readonly keypoints?: KeypointFigures;
}

/** One epoch. */
export interface EpochRecord {
  readonly kind: 'epoch';
  /** From 0. */
  readonly epoch: number;
  /** Steps made by its end. */
  readonly step: number;
  /** Mean of the total loss over its images. */
  readonly loss: number;
  readonly seconds: number;
  /** Where it was evaluated. */
  readonly figures?: EpochFigures;
  /** Whether its weights are those of best.pt so far. */
  readonly best?: boolean;
}

export type MetricsRecord = StepRecord | EpochRecord;
