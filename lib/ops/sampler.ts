import type { NativeTensor } from '../../binding';
import { rejectUnknownOptions } from '../errors';
import { checkInteger, checkNumber, checkOptions } from '../nn/check';
import type { Tensor } from '../tensor';
import { type Integers, OperatorCall } from './call';

/** torchvision's BalancedPositiveNegativeSampler. */
export interface SamplerOptions {
  /** How many count in each image's loss. RPN 256, RoI heads 512. */
  readonly batchSize: number;
  /** Share of positives at most, 0 to 1; negatives fill up what is missing. RPN 0.5, RoI heads 0.25. */
  readonly positiveFraction: number;
  /** Seed of the draws, as torch.manual_seed. Default 0. */
  readonly seed?: number;
}

/** Indices of one image's labels, ascending. */
export interface Sampled<Indices> {
  readonly positive: Indices;
  readonly negative: Indices;
}

/**
 * Which anchors or proposals count in the loss: of each image at most `positiveFraction * batchSize` positives, and
 * negatives up to `batchSize` in all, drawn at random. torchvision's `BalancedPositiveNegativeSampler`, with the numbers it
 * draws on the CPU after `torch.manual_seed(seed)`; torchvision returns masks, here they are indices.
 *
 * @param labels one list for each image: from 1 on positive, 0 negative, others (-1) ignored
 * @throws TorchdetError ERR_INVALID_ARGUMENT, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function balancedPositiveNegative(
  labels: readonly Integers[],
  options: SamplerOptions,
): Promise<Sampled<Int32Array>[]>;
export function balancedPositiveNegative(
  labels: readonly Tensor[],
  options: SamplerOptions,
): Promise<Sampled<Tensor>[]>;
export async function balancedPositiveNegative(
  labels: readonly (Integers | Tensor)[],
  options: SamplerOptions,
): Promise<Sampled<Int32Array | Tensor>[]> {
  const call = new OperatorCall('balancedPositiveNegative');
  const { where } = call;
  checkOptions(where, options);
  rejectUnknownOptions(where, options, ['batchSize', 'positiveFraction', 'seed']);
  const batchSize = checkInteger(where, 'batchSize', options.batchSize, 1);
  const fraction = checkNumber(where, 'positiveFraction', options.positiveFraction, 0, 1);
  const seed = checkInteger(where, 'seed', options.seed ?? 0, 0);
  if (!Array.isArray(labels) || typeof labels[0] === 'number') {
    throw call.error('labels must be an array with one list for each image.');
  }
  const lists = labels as readonly (Integers | Tensor)[];
  const images = lists.map((image, i) => call.integers(`labels[${i}]`, image));
  return call.run(async ({ call: operator }) => {
    const result = await operator('torchdet::sample_balanced', images, batchSize, fraction, seed);
    return (result as unknown as [NativeTensor, NativeTensor][]).map(([positive, negative]) => ({
      positive: call.integersOf(positive),
      negative: call.integersOf(negative),
    }));
  });
}
