import { type PickleValue } from './pickle-values';

/** A torch pickle, read but not yet turned into tensors. */
export interface PickleCheckpoint {
  root: PickleValue;
  /** The bytes of a storage, or undefined where the file has none of this key. */
  bytesOf: (key: string) => Uint8Array | undefined;
}
