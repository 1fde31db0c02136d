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
