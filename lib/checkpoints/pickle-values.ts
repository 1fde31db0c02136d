import type { DType } from '../../binding';

/** What the unpickler makes of a file. Python's lists and tuples become arrays, sets Sets, None null, bytes Uint8Arrays. */
export type PickleValue =
  | null
  | boolean
  | number
  | bigint
  | string
  | Uint8Array
  | PickleValue[]
  | Set<PickleValue>
  | PickleDict
  | PickleObject
  | PickleGlobal
  | StorageReference
  | TensorReference;

/** A Python dict, OrderedDict, defaultdict or Counter, with the attributes set on it (`_metadata` of state dicts). */
export class PickleDict extends Map<PickleValue, PickleValue> {
  attributes: PickleDict | undefined;
}

/** An instance of an allowed class torchdet has no use for (argparse.Namespace, torch.device …): kept, never run. */
export class PickleObject {
  state: PickleValue = null;

  constructor(
    readonly className: string,
    readonly args: readonly PickleValue[],
  ) {}
}

/** What limits the work a file may cause by calling constructors over and over. */
export type Spend = (units: number) => void;

/** A class or function of the allow-list. `call` is torchdet's own stand-in for it; without one it is only a name. */
export class PickleGlobal {
  constructor(
    readonly name: string,
    readonly call?: (args: readonly PickleValue[], spend: Spend) => PickleValue,
    /** dtype of a storage class (`torch.FloatStorage`) or a `torch.float32`. */
    readonly dtype?: DType,
  ) {}
}

/** A storage named by the pickle; its bytes lie elsewhere in the file. */
export class StorageReference {
  constructor(
    /** `torch.FloatStorage` … */
    readonly type: string,
    /** undefined where torchdet has no such dtype (complex, quantized), or the storage is untyped. */
    readonly dtype: DType | undefined,
    readonly key: string,
    readonly numel: number,
    /** Legacy files: where a storage that is a view begins in the one it views, in elements. */
    readonly viewOffset: number,
  ) {}
}

/** A tensor as the pickle describes it: a strided window on a storage, everything still unchecked. */
export class TensorReference {
  constructor(
    readonly storage: StorageReference,
    readonly dtype: DType | undefined,
    /** In elements, as are the strides. */
    readonly offset: PickleValue,
    readonly size: PickleValue,
    readonly stride: PickleValue,
  ) {}
}

/** Raised by stand-ins for arguments they cannot take; the unpickler adds the file and the position. */
export class PickleArgumentError extends Error {}
