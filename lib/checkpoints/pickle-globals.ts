import type { DType } from '../../binding';
import {
  PickleArgumentError,
  PickleDict,
  PickleGlobal,
  PickleObject,
  type PickleValue,
  type Spend,
  StorageReference,
  TensorReference,
} from './pickle-values';

type Args = readonly PickleValue[];
type Call = (args: Args, spend: Spend) => PickleValue;

const storages: Readonly<Record<string, DType | undefined>> = {
  FloatStorage: 'float32',
  DoubleStorage: 'float64',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexFloatStorage: undefined,
  ComplexDoubleStorage: undefined,
  QInt8Storage: undefined,
  QUInt8Storage: undefined,
  QInt32Storage: undefined,
};

const torchDtypes: Readonly<Record<string, DType | undefined>> = {
  float32: 'float32',
  float: 'float32',
  float64: 'float64',
  double: 'float64',
  float16: 'float16',
  half: 'float16',
  bfloat16: 'bfloat16',
  int64: 'int64',
  long: 'int64',
  int32: 'int32',
  int: 'int32',
  int16: 'int16',
  short: 'int16',
  int8: 'int8',
  uint8: 'uint8',
  bool: 'bool',
  uint16: undefined,
  uint32: undefined,
  uint64: undefined,
  complex64: undefined,
  complex128: undefined,
  float8_e4m3fn: undefined,
  float8_e5m2: undefined,
};

/** A class whose instances are only kept. */
function opaque(name: string): [string, Call] {
  return [name, (args) => new PickleObject(name, args)];
}

function dict(args: Args, spend: Spend): PickleDict {
  const [items] = args;
  const made = new PickleDict();
  if (items === undefined) return made;
  if (items instanceof PickleDict) {
    spend(items.size);
    for (const [key, value] of items) made.set(key, value);
    return made;
  }
  if (!Array.isArray(items)) throw new PickleArgumentError('a dictionary made of something else');
  spend(items.length);
  for (const item of items) {
    if (!Array.isArray(item) || item.length !== 2) {
      throw new PickleArgumentError('a dictionary made of something else than pairs');
    }
    made.set(item[0] ?? null, item[1] ?? null);
  }
  return made;
}

function list([items]: Args, spend: Spend): PickleValue[] {
  if (items === undefined) return [];
  if (!Array.isArray(items)) throw new PickleArgumentError('a sequence made of something else');
  spend(items.length);
  return [...items];
}

function encode([text, encoding]: Args, spend: Spend): Uint8Array {
  if (typeof text !== 'string') throw new PickleArgumentError('encoding something else than text');
  spend(text.length);
  if (encoding === 'latin1' || encoding === 'latin-1') return Buffer.from(text, 'latin1');
  if (encoding === undefined || encoding === 'utf-8' || encoding === 'utf8') {
    return Buffer.from(text);
  }
  throw new PickleArgumentError('an unknown text encoding');
}

function rebuildTensor([storage, offset, size, stride]: Args): TensorReference {
  if (!(storage instanceof StorageReference)) {
    throw new PickleArgumentError('a tensor without a storage');
  }
  return new TensorReference(storage, storage.dtype, offset ?? 0, size ?? null, stride ?? null);
}

/** As v2, with the dtype given beside an untyped storage. */
function rebuildTensorV3(args: Args): TensorReference {
  const tensor = rebuildTensor(args);
  const dtype = args[6];
  if (!(dtype instanceof PickleGlobal)) throw new PickleArgumentError('a tensor without a dtype');
  return new TensorReference(
    tensor.storage,
    dtype.dtype,
    tensor.offset,
    tensor.size,
    tensor.stride,
  );
}

function rebuildParameter([data]: Args): PickleValue {
  if (!(data instanceof TensorReference)) {
    throw new PickleArgumentError('a parameter without a tensor');
  }
  return data;
}

/** `_rebuild_from_type_v2(function, type, arguments, state)`: what a subclass of Tensor is pickled as. */
function rebuildFromType([rebuild, , args]: Args, spend: Spend): PickleValue {
  if (!(rebuild instanceof PickleGlobal) || !rebuild.call || !Array.isArray(args)) {
    throw new PickleArgumentError('a tensor subclass with an unknown constructor');
  }
  if (!rebuild.name.startsWith('torch._utils._rebuild_')) {
    throw new PickleArgumentError(`a tensor subclass made by ${rebuild.name}`);
  }
  return rebuild.call(args, spend);
}

/** Only what training scripts store: numbers such as a best score. */
function numpyScalar([dtype, bytes]: Args): PickleValue {
  const kind = dtype instanceof PickleObject ? dtype.args[0] : undefined;
  if (bytes instanceof Uint8Array && typeof kind === 'string') {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    if (kind === 'f8' && bytes.length === 8) return view.getFloat64(0, true);
    if (kind === 'f4' && bytes.length === 4) return view.getFloat32(0, true);
    if (kind === 'i8' && bytes.length === 8) return view.getBigInt64(0, true);
    if (kind === 'i4' && bytes.length === 4) return view.getInt32(0, true);
    if (kind === 'b1' && bytes.length === 1) return view.getUint8(0) !== 0;
  }
  return new PickleObject('numpy.scalar', []);
}

function builtins(module: string): [string, Call | undefined][] {
  return [
    [`${module}.dict`, dict],
    [`${module}.list`, list],
    [`${module}.tuple`, list],
    [`${module}.set`, (args, spend) => new Set(list(args, spend))],
    [`${module}.frozenset`, (args, spend) => new Set(list(args, spend))],
    opaque(`${module}.slice`),
    opaque(`${module}.range`),
    opaque(`${module}.xrange`),
    opaque(`${module}.complex`),
    opaque(`${module}.object`),
    // Types, as values only (default factories, `args.type`).
    [`${module}.int`, undefined],
    [`${module}.float`, undefined],
    [`${module}.str`, undefined],
    [`${module}.bool`, undefined],
    [`${module}.bytes`, undefined],
  ];
}

function numpy(core: string): [string, Call][] {
  return [[`${core}.multiarray.scalar`, numpyScalar], opaque(`${core}.multiarray._reconstruct`)];
}

/**
 * Every name a checkpoint may mention. Nothing of Python runs: each entry has a stand-in written here, which only puts
 * values together. A name that is not in the table is refused before anything is called.
 */
const allowed: ReadonlyMap<string, PickleGlobal> = new Map(
  (
    [
      ['collections.OrderedDict', dict],
      ['collections.Counter', dict],
      ['collections.defaultdict', () => new PickleDict()],
      ['_codecs.encode', encode],
      ['torch._utils._rebuild_tensor', rebuildTensor],
      ['torch._utils._rebuild_tensor_v2', rebuildTensor],
      ['torch._utils._rebuild_tensor_v3', rebuildTensorV3],
      ['torch._utils._rebuild_parameter', rebuildParameter],
      ['torch._utils._rebuild_parameter_with_state', rebuildParameter],
      ['torch._tensor._rebuild_from_type_v2', rebuildFromType],
      ['torch.Size', list],
      ['torch.Tensor', undefined],
      ['torch._tensor.Tensor', undefined],
      ['torch.nn.parameter.Parameter', undefined],
      ['torch.nn.parameter.Buffer', undefined],
      opaque('torch.device'),
      opaque('torch.torch_version.TorchVersion'),
      opaque('argparse.Namespace'),
      opaque('types.SimpleNamespace'),
      opaque('pathlib.PosixPath'),
      opaque('pathlib.WindowsPath'),
      opaque('pathlib.PurePosixPath'),
      opaque('pathlib._local.PosixPath'),
      opaque('numpy.dtype'),
      ['numpy.ndarray', undefined],
      ...numpy('numpy.core'),
      ...numpy('numpy._core'),
      ...builtins('builtins'),
      ...builtins('__builtin__'),
    ] as [string, Call | undefined][]
  )
    .map(([name, call]): [string, PickleGlobal] => [name, new PickleGlobal(name, call)])
    .concat(
      Object.entries(storages).flatMap(([name, dtype]): [string, PickleGlobal][] =>
        [`torch.${name}`, `torch.storage.${name}`].map((full) => [
          full,
          new PickleGlobal(full, undefined, dtype),
        ]),
      ),
      ['UntypedStorage', 'TypedStorage', '_UntypedStorage', '_TypedStorage'].map((name) => [
        `torch.storage.${name}`,
        new PickleGlobal(`torch.storage.${name}`),
      ]),
      Object.entries(torchDtypes).map(([name, dtype]) => [
        `torch.${name}`,
        new PickleGlobal(`torch.${name}`, undefined, dtype),
      ]),
    ),
);

/** The stand-in for a Python name, or undefined where checkpoints have no business with it. */
export function findGlobal(module: string, name: string): PickleGlobal | undefined {
  return allowed.get(`${module}.${name}`);
}
