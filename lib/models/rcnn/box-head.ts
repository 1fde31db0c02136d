/** The box head of the R-CNN family as its options tell it. */
import { rejectUnknownOptions } from '../../errors';
import { checkChoice, checkInteger, checkList, checkOptions } from '../../nn/check';
import type { ModuleSpec } from '../../nn/spec';
import type { BoxHeadOptions } from './faster-rcnn-options';
import { convFcHead, twoMlpHead } from './heads';

/**
 * @param input the pooled features
 * @returns the module and how many features it gives for each RoI
 * @throws TorchdetError ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function makeBoxHead(
  where: string,
  options: BoxHeadOptions,
  input: { readonly channels: number; readonly height: number; readonly width: number },
): { readonly module: ModuleSpec; readonly features: number } {
  const place = `${where}: boxHead`;
  checkOptions(place, options);
  checkChoice(place, 'kind', options.kind, ['twoMlp', 'conv']);
  const size = (owner: string, option: string, value: unknown): number =>
    checkInteger(owner, option, value, 1);
  if (options.kind === 'twoMlp') {
    rejectUnknownOptions(place, options, ['kind', 'representationSize']);
    const features = size(place, 'representationSize', options.representationSize ?? 1024);
    return {
      module: twoMlpHead(input.channels * input.height * input.width, features),
      features,
    };
  }
  rejectUnknownOptions(place, options, ['kind', 'convs', 'fcs', 'norm']);
  const convs = checkList(place, 'convs', options.convs ?? [256, 256, 256, 256], size);
  const fcs = checkList(place, 'fcs', options.fcs ?? [1024], size);
  const norm = checkChoice(place, 'norm', options.norm === undefined ? 'batch' : options.norm, [
    'batch',
    null,
  ]);
  return { module: convFcHead(input, convs, fcs, norm), features: fcs[fcs.length - 1] ?? 0 };
}
