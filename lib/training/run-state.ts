/** All that going on exactly needs, as one file: a pair of files could be cut apart by a kill between them. */
import { readFile } from 'node:fs/promises';
import { parseSafetensors, writeSafetensors } from '../checkpoints/safetensors';
import { TorchdetError } from '../errors';
import { Tensor } from '../tensor';
import type { StepRecord } from './records';
import { writeWhole } from './run-folder';

/** Where a run stands: what is not a tensor. */
export interface RunPosition {
  readonly version: 1;
  /** Of what must be the same for the run to go on. */
  readonly plan: Readonly<Record<string, unknown>>;
  readonly epoch: number;
  /** Batches of the epoch that were used. */
  readonly batch: number;
  /** Optimizer steps made in all. */
  readonly step: number;
  /** Seconds spent so far, in all processes. */
  readonly seconds: number;
  /** Bytes of metrics.jsonl that belong to what came before. */
  readonly metricsBytes: number;
  /** Images of the epoch so far, and the sum of their losses weighted by images: for the epoch's mean. */
  readonly epochImages: number;
  readonly epochLoss: number;
  /** The last step, for telling about it once its epoch is evaluated. */
  readonly lastStep: StepRecord | null;
  readonly best: { readonly epoch: number; readonly figure: number } | null;
  /** Evaluations since the best one. */
  readonly sinceBest: number;
  /** What ended the run, if something did. */
  readonly ended: 'epochs' | 'early' | null;
}

export type TensorRecord = Readonly<Record<string, Tensor>>;

export interface RunState {
  readonly position: RunPosition;
  readonly model: TensorRecord;
  readonly optimizer: TensorRecord;
  readonly ema?: TensorRecord | undefined;
}

const PARTS = ['model', 'optimizer', 'ema'] as const;
const METADATA = 'torchdet.run';

/**
 * Writes the state, whole or not at all. Names in the file begin with `model.`, `optimizer.` or `ema.`; the position is JSON in
 * its metadata.
 *
 * @throws TorchdetError ERR_FILE
 */
export async function writeRunState(path: string, state: RunState): Promise<void> {
  const entries = PARTS.flatMap((part) =>
    Object.entries(state[part] ?? {}).map(
      ([name, { dtype, shape, data }]) => [`${part}.${name}`, { dtype, shape, data }] as const,
    ),
  );
  const metadata = { [METADATA]: JSON.stringify(state.position) };
  await writeWhole(path, writeSafetensors(entries, metadata));
}

function readPosition(path: string, text: string | undefined): RunPosition {
  const damaged = (what: string) => new TorchdetError('ERR_CHECKPOINT_FORMAT', `${path}: ${what}`);
  if (text === undefined) throw damaged('it is no state of a training run.');
  const position = JSON.parse(text) as Omit<RunPosition, 'version'> & { version: number };
  const { version } = position;
  if (version === 1) return { ...position, version };
  throw damaged(`written by another version of torchdet (format ${version}, not 1).`);
}

/** @throws TorchdetError ERR_FILE, ERR_CHECKPOINT_FORMAT */
export async function readRunState(path: string): Promise<RunState> {
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new TorchdetError('ERR_FILE', `Could not read ${path}: ${reason}`, { cause });
  }
  const { tensors, metadata } = parseSafetensors(bytes, path);
  const position = readPosition(path, metadata[METADATA]);
  const records = Object.fromEntries(PARTS.map((part) => [part, new Map<string, Tensor>()]));
  for (const [name, { data, shape, dtype }] of tensors) {
    const dot = name.indexOf('.');
    records[name.slice(0, dot)]?.set(name.slice(dot + 1), Tensor.from(data, shape, dtype));
  }
  const record = (part: (typeof PARTS)[number]) => Object.fromEntries(records[part] ?? []);
  const ema = record('ema');
  return {
    position,
    model: record('model'),
    optimizer: record('optimizer'),
    ...(Object.keys(ema).length > 0 && { ema }),
  };
}
