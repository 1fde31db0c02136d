import { optionError, rejectUnknownOptions } from '../errors';
import {
  checkBoolean,
  checkList,
  checkNumber,
  checkOptions,
  checkPositive,
  checkString,
} from '../nn/check';

/** Learning rate and weight decay of some parameters. */
export interface DecayOptions {
  /** Default: the optimizer's. 0 leaves parameters as they are, but what BatchNorm measures still moves: see `detector.freeze`. */
  readonly lr?: number;
  /** Of weights. Default: the optimizer's. */
  readonly weightDecay?: number;
  /** Of weights and biases of norm layers. Default: the optimizer's, else `weightDecay`. */
  readonly normWeightDecay?: number;
  /** Of the other biases. Default: the optimizer's, else `weightDecay`. */
  readonly biasWeightDecay?: number;
}

/** Parameters with a learning rate or weight decay of their own. */
export interface ParameterGroupOptions extends DecayOptions {
  /** Beginnings of parameter names, up to a dot: `backbone`, `roi_heads.box_predictor`. The first group that fits counts. */
  readonly prefixes: string | readonly string[];
}

interface CommonOptions extends DecayOptions {
  /** Learning rate: schedules multiply it. */
  readonly lr: number;
  /** Default: all parameters alike. */
  readonly groups?: readonly ParameterGroupOptions[];
}

export interface SgdOptions extends CommonOptions {
  /** Above 0, remembers the direction. 0 to 1, default 0; torchvision's recipes take 0.9. */
  readonly momentum?: number;
  /** Of the new gradient against the momentum. 0 to 1, default 0. */
  readonly dampening?: number;
  /** Looks one step ahead; needs a momentum and no dampening. Default false. */
  readonly nesterov?: boolean;
}

export interface AdamWOptions extends CommonOptions {
  /** Shares of the past in the mean and the mean square of gradients, each 0 to less than 1. Default [0.9, 0.999]. */
  readonly betas?: readonly [number, number];
  /** Added to the denominator. Default 1e-8. */
  readonly eps?: number;
}

/** What `detector.optimizer` makes an optimizer of. JSON-able. */
export type OptimizerDescription = {
  readonly lr: number;
  readonly weightDecay: number;
  readonly normWeightDecay?: number;
  readonly biasWeightDecay?: number;
  readonly groups: readonly (DecayOptions & { readonly prefixes: readonly string[] })[];
} & (
  | {
      readonly kind: 'sgd';
      readonly momentum: number;
      readonly dampening: number;
      readonly nesterov: boolean;
    }
  | { readonly kind: 'adamw'; readonly betas: readonly [number, number]; readonly eps: number }
);

const DECAY = ['lr', 'weightDecay', 'normWeightDecay', 'biasWeightDecay'] as const;
const COMMON = [...DECAY, 'groups'] as const;

/** Those of the four that were given, checked. */
function checkDecay(where: string, options: DecayOptions): DecayOptions {
  const given = DECAY.filter((name) => options[name] !== undefined);
  return Object.fromEntries(
    given.map((name) => [name, checkNumber(where, name, options[name], 0)]),
  );
}

function checkGroup(where: string, option: string, value: unknown) {
  const place = `${where}: ${option}`;
  checkOptions(place, value);
  rejectUnknownOptions(place, value, ['prefixes', ...DECAY]);
  const group = value as ParameterGroupOptions;
  const prefixes = typeof group.prefixes === 'string' ? [group.prefixes] : group.prefixes;
  return {
    prefixes: checkList(place, 'prefixes', prefixes, checkString),
    ...checkDecay(place, group),
  };
}

function common(where: string, options: CommonOptions, defaultDecay: number) {
  const { groups = [] } = options;
  const lr = checkPositive(where, 'lr', options.lr);
  const checked = groups.length === 0 ? [] : checkList(where, 'groups', groups, checkGroup);
  return { weightDecay: defaultDecay, ...checkDecay(where, options), lr, groups: checked };
}

/**
 * `torch.optim.SGD` with weight decay 0 unless given. torchvision trains Faster R-CNN with
 * `sgd({ lr: 0.02 / 8 * images per step / 2, momentum: 0.9, weightDecay: 1e-4 })`.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function sgd(options: SgdOptions): OptimizerDescription {
  const where = 'sgd';
  checkOptions(where, options);
  rejectUnknownOptions(where, options, [...COMMON, 'momentum', 'dampening', 'nesterov']);
  const momentum = checkNumber(where, 'momentum', options.momentum ?? 0, 0, 1);
  const dampening = checkNumber(where, 'dampening', options.dampening ?? 0, 0, 1);
  const nesterov = checkBoolean(where, 'nesterov', options.nesterov ?? false);
  if (nesterov && (momentum === 0 || dampening !== 0)) {
    throw optionError(
      where,
      'nesterov',
      nesterov,
      `false with momentum ${momentum} and dampening ${dampening} (it needs a momentum and no dampening)`,
    );
  }
  return { kind: 'sgd', momentum, dampening, nesterov, ...common(where, options, 0) };
}

/**
 * `torch.optim.AdamW`: weight decay apart from the gradients, 0.01 unless given.
 *
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function adamW(options: AdamWOptions): OptimizerDescription {
  const where = 'adamW';
  checkOptions(where, options);
  rejectUnknownOptions(where, options, [...COMMON, 'betas', 'eps']);
  const [beta1 = 0, beta2 = 0] = checkList(
    where,
    'betas',
    options.betas ?? [0.9, 0.999],
    (place, option, value) => {
      const beta = checkNumber(place, option, value, 0);
      if (beta >= 1) throw optionError(place, option, value, 'less than 1');
      return beta;
    },
    2,
  );
  const eps = checkNumber(where, 'eps', options.eps ?? 1e-8, 0);
  return { kind: 'adamw', betas: [beta1, beta2], eps, ...common(where, options, 0.01) };
}
