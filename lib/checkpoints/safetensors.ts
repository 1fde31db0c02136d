import type { DType } from '../../binding';
import { TorchdetError } from '../errors';
import { checkSource, readFileBytesSync, sourceName } from './file-bytes';
import {
  aligned,
  type Checkpoint,
  type CheckpointTensor,
  formatError,
  itemSizes,
  numel,
  showShape,
} from './types';

const dtypes: ReadonlyMap<string, DType> = new Map<string, DType>([
  ['F64', 'float64'],
  ['F32', 'float32'],
  ['F16', 'float16'],
  ['BF16', 'bfloat16'],
  ['I64', 'int64'],
  ['I32', 'int32'],
  ['I16', 'int16'],
  ['I8', 'int8'],
  ['U8', 'uint8'],
  ['BOOL', 'bool'],
]);
const formatNames: ReadonlyMap<DType, string> = new Map([...dtypes].map(([k, v]) => [v, k]));

/** The limit of the format's own implementation. */
const maxHeaderBytes = 100_000_000;

/**
 * Reads a safetensors file. The tensors are views on its bytes; the header is checked strictly (ranges, overlaps,
 * holes, duplicate names), so a damaged or hostile file is refused rather than misread.
 *
 * @param source a path, or the file's bytes
 * @throws TorchdetError ERR_CHECKPOINT_FORMAT naming the tensor and what is wrong; ERR_FILE where it cannot be read
 */
export function readSafetensors(source: string | Buffer): Checkpoint {
  checkSource('readSafetensors', source);
  const bytes = typeof source === 'string' ? readFileBytesSync(source) : source;
  return parseSafetensors(bytes, sourceName(source));
}

/** {@link readSafetensors} of bytes that came from `where`. */
export function parseSafetensors(bytes: Buffer, where: string): Checkpoint {
  const { header, dataStart } = readHeader(bytes, where);

  const metadata: Record<string, string> = {};
  const entries: { name: string; tensor: CheckpointTensor; begin: number; end: number }[] = [];
  const dataLength = bytes.length - dataStart;
  for (const [name, value] of Object.entries(header)) {
    if (name === '__metadata__') {
      readMetadata(value, metadata, where);
      continue;
    }
    const { dtype, shape, begin, end } = readEntry(name, value, dataLength, where);
    const data = aligned(bytes.subarray(dataStart + begin, dataStart + end), itemSizes[dtype]);
    entries.push({ name, tensor: { dtype, shape, data }, begin, end });
  }
  checkCoverage(entries, dataLength, where);
  return { tensors: new Map(entries.map(({ name, tensor }) => [name, tensor])), metadata };
}

function readHeader(
  bytes: Buffer,
  where: string,
): { header: Record<string, unknown>; dataStart: number } {
  if (bytes.length < 8) {
    throw formatError(where, `not a safetensors file: ${bytes.length} bytes, at least 8 needed.`);
  }
  const length = bytes.readBigUInt64LE(0);
  if (length > BigInt(Math.min(maxHeaderBytes, bytes.length - 8))) {
    throw formatError(
      where,
      `not a safetensors file, or a truncated one: it announces a header of ${String(length)} bytes, ` +
        `the file has ${bytes.length} and the format allows ${maxHeaderBytes}.`,
    );
  }
  const dataStart = 8 + Number(length);
  const text = bytes.toString('utf8', 8, dataStart);
  if (!text.startsWith('{'))
    throw formatError(where, 'safetensors header does not begin with "{".');
  let header: unknown;
  try {
    header = JSON.parse(text);
  } catch (error) {
    throw formatError(
      where,
      `safetensors header is not JSON: ${(error as SyntaxError).message}.`,
      error,
    );
  }
  if (countKeys(header) !== countColons(text)) {
    throw formatError(where, 'safetensors header names an entry twice.');
  }
  return { header: header as Record<string, unknown>, dataStart };
}

/** Keys of all objects in a parsed JSON value. JSON.parse keeps the last of two equal keys, so a lower count than the
 * text's colons gives duplicates away. Headers are two levels deep; what is deeper is refused later. */
function countKeys(value: unknown): number {
  let count = 0;
  const pending: unknown[] = [value];
  while (pending.length > 0) {
    const next = pending.pop();
    if (typeof next !== 'object' || next === null) continue;
    if (!Array.isArray(next)) count += Object.keys(next).length;
    for (const child of Object.values(next) as unknown[]) pending.push(child);
  }
  return count;
}

/** Colons outside strings in valid JSON: one for each key written. */
function countColons(text: string): number {
  let count = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x3a) count++;
  }
  return count;
}

function readMetadata(value: unknown, metadata: Record<string, string>, where: string): void {
  if (typeof value !== 'object' || value === null) {
    throw formatError(where, 'safetensors __metadata__ is not an object.');
  }
  for (const [key, text] of Object.entries(value)) {
    if (typeof text !== 'string') {
      throw formatError(where, `safetensors __metadata__ "${key}" is not text.`);
    }
    Object.defineProperty(metadata, key, {
      value: text,
      enumerable: true,
      writable: true,
      configurable: true,
    });
  }
}

/** A value out of the file, short enough for a message. */
function show(value: unknown): string {
  return JSON.stringify(value ?? null).slice(0, 100);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((v) => Number.isSafeInteger(v) && (v as number) >= 0);
}

function readEntry(
  name: string,
  value: unknown,
  dataLength: number,
  where: string,
): { dtype: DType; shape: number[]; begin: number; end: number } {
  const bad = (problem: string): TorchdetError =>
    formatError(where, `safetensors tensor "${name}" ${problem}.`);
  if (typeof value !== 'object' || value === null) throw bad('is not described by an object');
  const { dtype: dtypeName, shape, data_offsets: offsets } = value as Record<string, unknown>;
  const dtype = typeof dtypeName === 'string' ? dtypes.get(dtypeName) : undefined;
  if (dtype === undefined) {
    throw bad(`has dtype ${show(dtypeName)}; torchdet reads ${[...dtypes.keys()].join(', ')}`);
  }
  if (!isSizes(shape)) throw bad(`has shape ${show(shape)}`);
  if (!isSizes(offsets)) throw bad(`has data_offsets ${show(offsets)}`);
  const [begin, end] = offsets;
  if (begin === undefined || end === undefined || offsets.length !== 2 || begin > end) {
    throw bad(`has data_offsets ${show(offsets)}`);
  }
  if (end > dataLength) {
    throw bad(`ends at byte ${end} of ${dataLength}: the file is truncated or damaged`);
  }
  if (numel(shape) * itemSizes[dtype] !== end - begin) {
    throw bad(`of shape ${showShape(shape)} and ${dtype} cannot take up ${end - begin} bytes`);
  }
  return { dtype, shape, begin, end };
}

/** The format wants every data byte to belong to exactly one tensor. */
function checkCoverage(
  entries: readonly { name: string; begin: number; end: number }[],
  dataLength: number,
  where: string,
): void {
  let covered = 0;
  for (const { name, begin, end } of [...entries].sort(
    (a, b) => a.begin - b.begin || a.end - b.end,
  )) {
    if (begin !== covered) {
      const problem = begin < covered ? 'overlaps the tensor before it' : 'leaves a hole before it';
      throw formatError(where, `safetensors tensor "${name}" ${problem}.`);
    }
    covered = end;
  }
  if (covered !== dataLength) {
    throw formatError(
      where,
      `safetensors data has ${dataLength} bytes, its tensors take ${covered}.`,
    );
  }
}

/** A tensor to write: as {@link CheckpointTensor}, over any kind of view. */
export interface WritableTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  readonly data: NodeJS.ArrayBufferView;
}

/**
 * Writes tensors as the bytes of a safetensors file. The order is that of the format's own implementation (wide types
 * first, then by name), so every tensor is aligned and equal contents give equal files.
 *
 * @param entries names and tensors; a Map will do
 * @throws TorchdetError ERR_INVALID_ARGUMENT where a name comes twice or a shape does not fit its data
 */
export function writeSafetensors(
  entries: Iterable<readonly [string, WritableTensor]>,
  metadata?: Readonly<Record<string, string>>,
): Buffer {
  const sorted = [...entries].sort(
    ([a, { dtype: x }], [b, { dtype: y }]) =>
      itemSizes[y] - itemSizes[x] || (a < b ? -1 : a > b ? 1 : 0),
  );
  const header = new Map<string, unknown>();
  if (metadata && Object.keys(metadata).length > 0) header.set('__metadata__', metadata);
  let offset = 0;
  for (const [name, { dtype, shape, data }] of sorted) {
    if (header.has(name) || name === '__metadata__') {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `writeSafetensors: two entries are named "${name}".`,
      );
    }
    if (numel(shape) * itemSizes[dtype] !== data.byteLength) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `writeSafetensors: "${name}" of shape ${showShape(shape)} and ${dtype} cannot take up ${data.byteLength} bytes.`,
      );
    }
    const end = offset + data.byteLength;
    header.set(name, { dtype: formatNames.get(dtype), shape, data_offsets: [offset, end] });
    offset = end;
  }

  const json = Buffer.from(
    `{${[...header].map(([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(value)}`).join(',')}}`,
  );
  const headerLength = Math.ceil(json.length / 8) * 8;
  const file = Buffer.allocUnsafeSlow(8 + headerLength + offset);
  file.writeBigUInt64LE(BigInt(headerLength), 0);
  file.fill(0x20, 8 + json.length, 8 + headerLength);
  json.copy(file, 8);
  let position = 8 + headerLength;
  for (const [, { data }] of sorted) {
    file.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), position);
    position += data.byteLength;
  }
  return file;
}
