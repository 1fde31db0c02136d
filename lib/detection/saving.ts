/** Writing a detector's weights as a state dict. */
import { writeFile } from 'node:fs/promises';
import type { NativeModule } from '../../binding';
import { type WritableTensor, writeSafetensors } from '../checkpoints';
import { toHalf } from '../checkpoints/half';
import { optionError, rejectUnknownOptions } from '../errors';
import { fileError, replaceFile } from '../files';
import { DESCRIPTION_FILE, type DetectorFacts, writeDescription } from './description';

/** Options of `Detector.save`. */
export interface SaveOptions {
  /** true writes the numbers of a `.safetensors` file in half precision, and halves it. Default false. */
  readonly half?: boolean;
}

/** Whether a state dict is to be written, rather than an archive that runs. */
function isStateDict(path: string): boolean {
  return /\.safetensors$/i.test(path);
}

/** @throws TorchdetError ERR_OPTION_UNKNOWN, ERR_OPTION_VALUE */
export function checkSaveOptions(path: string, options: SaveOptions): void {
  rejectUnknownOptions('Detector.save', options, ['half']);
  const { half = false } = options;
  if (typeof half !== 'boolean') throw optionError('Detector.save', 'half', half, 'true or false');
  if (half && !isStateDict(path)) {
    const expected = `false for ${path}: only .safetensors files are written in half precision`;
    throw optionError('Detector.save', 'half', half, expected);
  }
}

/**
 * Writes parameters and buffers under torchvision's names, whole or not at all. The metadata's `torchdet` is the JSON that archives
 * carry: configuration, description and categories.
 *
 * @throws TorchdetError ERR_FILE; ERR_INVALID_ARGUMENT for numbers that float16 cannot hold
 */
async function saveState(
  path: string,
  module: NativeModule,
  facts: DetectorFacts,
  { half = false }: SaveOptions,
): Promise<void> {
  const state = Object.entries(await module.stateDict());
  const entries = state.map(([name, tensor]): [string, WritableTensor] => {
    const { dtype, shape } = tensor;
    const data = tensor.toTypedArray();
    return half && data instanceof Float32Array
      ? [name, { dtype: 'float16', shape, data: toHalf(data, name) }]
      : [name, { dtype, shape, data }];
  });
  const bytes = writeSafetensors(entries, { format: 'pt', torchdet: writeDescription(facts) });
  await replaceFile(path, (part) => writeFile(part, bytes));
}

/**
 * Writes an archive, or a state dict where the name says so, whole or not at all.
 *
 * @throws TorchdetError ERR_FILE; ERR_INVALID_ARGUMENT for numbers that float16 cannot hold
 */
export async function saveDetector(
  path: string,
  module: NativeModule,
  facts: DetectorFacts,
  options: SaveOptions,
): Promise<void> {
  if (isStateDict(path)) {
    await saveState(path, module, facts, options);
    return;
  }
  const files = { [DESCRIPTION_FILE]: writeDescription(facts) };
  await replaceFile(path, (part) =>
    module.save(part, files).catch((cause: unknown) => {
      throw fileError('write', path, cause);
    }),
  );
}
