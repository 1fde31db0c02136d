/** Initialisers of parameters, by the names of `torch.nn.init`. The native compiler draws them in registration order. */
import type { Initializer } from './spec';

/** Every element `value`. */
export function constant(value: number): Initializer {
  return { kind: 'constant', value };
}

export const zeros: Initializer = constant(0);
export const ones: Initializer = constant(1);

/** Normal distribution with the given mean and standard deviation. */
export function normal(mean: number, std: number): Initializer {
  return { kind: 'normal', mean, std };
}

/** Uniform on [low, high). */
export function uniform(low: number, high: number): Initializer {
  return { kind: 'uniform', low, high };
}

export interface KaimingOptions {
  /** Negative slope of the rectifier that follows. Default 0. */
  readonly a?: number;
  /** Keep the variance of the forward pass (`fanIn`, default) or of the gradients (`fanOut`). */
  readonly mode?: 'fanIn' | 'fanOut';
  /** Default `leakyRelu`, as in torch. */
  readonly nonlinearity?: 'relu' | 'leakyRelu' | 'linear';
}

/** He initialisation (https://arxiv.org/abs/1502.01852), uniform: `torch.nn.init.kaiming_uniform_`. */
export function kaimingUniform(options: KaimingOptions = {}): Initializer {
  return { kind: 'kaimingUniform', ...kaimingDefaults(options) };
}

/** He initialisation, normal: `torch.nn.init.kaiming_normal_`. */
export function kaimingNormal(options: KaimingOptions = {}): Initializer {
  return { kind: 'kaimingNormal', ...kaimingDefaults(options) };
}

/** Glorot initialisation, uniform: `torch.nn.init.xavier_uniform_`. */
export function xavierUniform(gain = 1): Initializer {
  return { kind: 'xavierUniform', gain };
}

/** What torch gives the weights of Conv2d and Linear where nothing else is asked for. */
export const torchDefaultWeight: Initializer = kaimingUniform({ a: Math.sqrt(5) });

/** What torch gives their biases: uniform within 1 / sqrt(fan in). */
export function torchDefaultBias(fanIn: number): Initializer {
  const bound = 1 / Math.sqrt(fanIn);
  return uniform(-bound, bound);
}

function kaimingDefaults(options: KaimingOptions): Required<KaimingOptions> {
  return { a: 0, mode: 'fanIn', nonlinearity: 'leakyRelu', ...options };
}
