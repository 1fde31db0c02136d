/** Training: optimizers, schedules of the learning rate, averages of weights, and what a step takes and gives. */
export type { LossOptions, TrainStepOptions, TrainStepResult } from './detector-training';
export { Ema } from './ema';
export type { EmaOptions } from './ema';
export { Optimizer } from './optimizer';
export type { ParameterGroup } from './optimizer';
export { adamW, sgd } from './optimizer-options';
export type {
  AdamWOptions,
  DecayOptions,
  OptimizerDescription,
  ParameterGroupOptions,
  SgdOptions,
} from './optimizer-options';
export type { CosineOptions, LinearOptions, MultiStepOptions, Schedule } from './schedule';
export type { TrainingSample } from './targets';
export { evaluateDetector } from './evaluate';
export type { DetectorEvaluation, EvaluateOptions, FoundObjects } from './evaluate';
export type { RunLength, ScheduleOptions } from './recipe';
export type { EpochFigures, EpochRecord, MetricsRecord, StepRecord } from './records';
export { Trainer } from './trainer';
export type { EpochEvaluation, RunOptions, TrainingStep } from './trainer';
export type { EarlyStopping, TrainerOptions, ValidationData } from './trainer-options';
