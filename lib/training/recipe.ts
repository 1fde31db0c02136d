/** What a run does unless told otherwise: torchvision's reference recipes, scaled to the batch. */
import type { AugmentationName } from '../data/augment';
import type { DetectorFacts } from '../detection/description';
import { optionError, rejectUnknownOptions } from '../errors';
import { checkChoice, checkInteger, checkList, checkNumber, checkPositive } from '../nn/check';
import { type OptimizerDescription, sgd } from './optimizer-options';
import { constant, cosine, multiStep, perEpoch, type Schedule, warmUp } from './schedule';

/** How the learning rate goes over a run. JSON-able. */
export interface ScheduleOptions {
  /** `cosine` falls to nothing at the end, `multiStep` at milestones, `constant` stays. Default `cosine`. */
  readonly kind?: 'cosine' | 'multiStep' | 'constant';
  /** multiStep: epochs from which on the rate is smaller. Default: after 8/12 and 11/12 of all. */
  readonly milestones?: readonly number[];
  /** multiStep: what it is multiplied by at each. Default 0.1. */
  readonly gamma?: number;
  /** Steps of a linear rise from a thousandth at the beginning. Default: an epoch, at most 1000 and half of the run. */
  readonly warmupSteps?: number;
}

/** The steps a run has, for schedules that are functions of one's own. */
export interface RunLength {
  readonly epochs: number;
  readonly stepsPerEpoch: number;
  /** Of all epochs together. */
  readonly steps: number;
}

const KINDS = ['cosine', 'multiStep', 'constant'] as const;
const NAMES = ['kind', 'milestones', 'gamma', 'warmupSteps'];
const longestWarmup = 1000;

/** {@link ScheduleOptions} with every default decided. */
export type CompleteSchedule = Required<ScheduleOptions>;

/** @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN */
export function completeSchedule(options: ScheduleOptions, length: RunLength): CompleteSchedule {
  const where = 'Trainer: schedule';
  rejectUnknownOptions(where, options, NAMES);
  const { epochs, stepsPerEpoch, steps } = length;
  const kind = checkChoice(where, 'kind', options.kind ?? 'cosine', KINDS);
  const usual = [Math.round((epochs * 8) / 12), Math.round((epochs * 11) / 12)];
  const milestones = checkList(
    where,
    'milestones',
    options.milestones ?? usual,
    (place, option, value) => checkInteger(place, option, value, 0),
  );
  const shortest = Math.min(longestWarmup, stepsPerEpoch, Math.floor(steps / 2));
  return {
    kind,
    milestones,
    gamma: checkPositive(where, 'gamma', options.gamma ?? 0.1),
    warmupSteps: checkInteger(where, 'warmupSteps', options.warmupSteps ?? shortest, 0),
  };
}

/** The factor of the learning rate at each step. */
export function scheduleOf(
  options: CompleteSchedule,
  { steps, stepsPerEpoch }: RunLength,
): Schedule {
  const { kind, milestones, gamma, warmupSteps } = options;
  const main = {
    cosine: () => cosine({ steps }),
    multiStep: () => perEpoch(multiStep({ milestones, gamma }), stepsPerEpoch),
    constant: () => constant(),
  }[kind]();
  return warmupSteps === 0 ? main : warmUp(main, { steps: warmupSteps });
}

type Family = 'rcnn' | 'dense' | 'ssd' | 'ssdlite';

function familyOf({ config, name, description }: DetectorFacts): Family {
  if (config.kind !== 'dense') return 'rcnn';
  if (config.head !== 'ssd') return 'dense';
  const text = `${name} ${description?.builder ?? ''} ${description?.backbone.name ?? ''}`;
  return /lite|mobile/i.test(text) ? 'ssdlite' : 'ssd';
}

/**
 * Learning rates per image of a batch. Those of torchvision's references (batches of 16, 16, 32 and 192); R-CNN's is that of its
 * tutorial on fine-tuning, twice the reference's: small data sets are not trained for long.
 */
const ratePerImage: Readonly<Record<Family, number>> = {
  rcnn: 0.005 / 2,
  dense: 0.01 / 16,
  ssd: 0.002 / 32,
  ssdlite: 0.15 / 192,
};

const presets: Readonly<Record<Family, AugmentationName>> = {
  rcnn: 'hflip',
  dense: 'hflip',
  ssd: 'ssd',
  ssdlite: 'ssdlite',
};

/** Larger rates are not raised further with the batch: that rule holds for moderate batches. */
const largestRate = 0.02;

/** The learning rate of SGD for a model, by images in a step. */
export function defaultRate(facts: DetectorFacts, imagesPerStep: number): number {
  return Math.min(ratePerImage[familyOf(facts)] * imagesPerStep, largestRate);
}

/** SGD with momentum 0.9 and weight decay 5e-4, at the rate that suits model and batch. */
export function defaultOptimizer(
  facts: DetectorFacts,
  imagesPerStep: number,
): OptimizerDescription {
  return sgd({ lr: defaultRate(facts, imagesPerStep), momentum: 0.9, weightDecay: 5e-4 });
}

/** torchvision's preset for a model's family. */
export function defaultAugmentation(facts: DetectorFacts): AugmentationName {
  return presets[familyOf(facts)];
}

/**
 * Share of the average that stays, for runs of any length: it looks back over a tenth of the run.
 *
 * @throws TorchdetError ERR_OPTION_VALUE
 */
export function emaDecay(given: number | boolean, steps: number): number | undefined {
  if (given === false) return undefined;
  if (given === true) return Math.min(0.9998, Math.max(0.9, 1 - 10 / steps));
  const decay = checkNumber('Trainer', 'ema', given, 0, 1);
  if (decay === 1) throw optionError('Trainer', 'ema', given, 'less than 1: it would never move');
  return decay;
}
