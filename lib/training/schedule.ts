/**
 * Schedules of the learning rate: pure functions from the number of steps made so far (0 before the first) to the factor that
 * the optimizer's own learning rates are multiplied by. `optimizer.scaleLearningRates(schedule(step))` puts one to use.
 * The package exports them as `schedules`.
 */
import { optionError, rejectUnknownOptions } from '../errors';
import { checkInteger, checkList, checkNumber, checkPositive } from '../nn/check';

/** The factor at a step; steps count from 0. */
export type Schedule = (step: number) => number;

/** The same factor always: 1 unless another is given. */
export function constant(factor = 1): Schedule {
  checkNumber('constant', 'factor', factor, 0);
  return () => factor;
}

export interface MultiStepOptions {
  /** Steps from which on the factor is smaller, ascending. */
  readonly milestones: readonly number[];
  /** What it is multiplied by at each. Default 0.1. */
  readonly gamma?: number;
}

/**
 * `torch.optim.lr_scheduler.MultiStepLR`: smaller by `gamma` from each milestone on.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function multiStep(options: MultiStepOptions): Schedule {
  const where = 'multiStep';
  rejectUnknownOptions(where, options, ['milestones', 'gamma']);
  const gamma = checkPositive(where, 'gamma', options.gamma ?? 0.1);
  const milestones = checkList(where, 'milestones', options.milestones, (place, option, value) =>
    checkInteger(place, option, value, 0),
  );
  if (milestones.some((milestone, i) => i > 0 && milestone < (milestones[i - 1] ?? 0))) {
    throw optionError(where, 'milestones', milestones, 'ascending');
  }
  return (step) => gamma ** milestones.filter((milestone) => milestone <= step).length;
}

export interface CosineOptions {
  /** Steps from the factor 1 down to `minFactor`, where it stays. */
  readonly steps: number;
  /** 0 to 1, default 0. */
  readonly minFactor?: number;
}

/**
 * `torch.optim.lr_scheduler.CosineAnnealingLR` with `T_max = steps` and `eta_min = minFactor * lr`: half a cosine. torch's goes up
 * again after that, this one stays.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function cosine(options: CosineOptions): Schedule {
  const where = 'cosine';
  rejectUnknownOptions(where, options, ['steps', 'minFactor']);
  const steps = checkInteger(where, 'steps', options.steps, 1);
  const least = checkNumber(where, 'minFactor', options.minFactor ?? 0, 0, 1);
  return (step) =>
    least + ((1 - least) * (1 + Math.cos((Math.PI * Math.min(step, steps)) / steps))) / 2;
}

export interface LinearOptions {
  /** Steps from the first factor to the last, where it stays. */
  readonly steps: number;
  /** Above 0 to 1. Default 0.001, that of torchvision's detection recipe. */
  readonly startFactor?: number;
  /** 0 to 1. Default 1. */
  readonly endFactor?: number;
}

/**
 * `torch.optim.lr_scheduler.LinearLR`: a straight line between two factors.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function linear(options: LinearOptions): Schedule {
  return line('linear', options);
}

function line(where: string, options: LinearOptions): Schedule {
  rejectUnknownOptions(where, options, ['steps', 'startFactor', 'endFactor']);
  const steps = checkInteger(where, 'steps', options.steps, 1);
  const start = checkNumber(where, 'startFactor', options.startFactor ?? 1e-3, 0, 1);
  const end = checkNumber(where, 'endFactor', options.endFactor ?? 1, 0, 1);
  // A first step at the rate 0 would be none at all.
  if (start === 0) throw optionError(where, 'startFactor', start, 'above 0');
  return (step) => start + ((end - start) * Math.min(step, steps)) / steps;
}

/**
 * A linear warm-up over the beginning of another schedule: the product of both, as torchvision's detection recipe has it (1000
 * steps from a thousandth, over steps at epochs 16 and 22).
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function warmUp(schedule: Schedule, options: Omit<LinearOptions, 'endFactor'>): Schedule {
  rejectUnknownOptions('warmUp', options, ['steps', 'startFactor']);
  const rise = line('warmUp', options);
  return (step) => rise(step) * schedule(step);
}

/**
 * `torch.optim.lr_scheduler.SequentialLR`: one schedule up to a step, then the other, which counts from 0 there.
 *
 * @param milestone the other's first step
 */
export function sequential(first: Schedule, milestone: number, second: Schedule): Schedule {
  checkInteger('sequential', 'milestone', milestone, 0);
  return (step) => (step < milestone ? first(step) : second(step - milestone));
}

/** A schedule whose steps are epochs: constant within each, for example `perEpoch(multiStep({ milestones: [16, 22] }), 500)`. */
export function perEpoch(schedule: Schedule, stepsPerEpoch: number): Schedule {
  checkInteger('perEpoch', 'stepsPerEpoch', stepsPerEpoch, 1);
  return (step) => schedule(Math.floor(step / stepsPerEpoch));
}
