import { ByteCursor } from './byte-cursor';
import { storageOf } from './persistent-id';
import type { PickleCheckpoint } from './pickle-checkpoint';
import { PickleDict, type PickleValue, type StorageReference } from './pickle-values';
import { formatError, itemSizes } from './types';
import { unpickle } from './unpickler';

const magic = 0x1950a86a20f9469cfc6cn;
const magicBytes = Buffer.from('6cfc9c46f9206aa85019', 'hex');
const protocolVersion = 1001;

/** Whether a file begins as torch.save wrote them before 1.6: a pickle of the magic number. */
export function isLegacyPickle(head: Buffer): boolean {
  const at = head.indexOf(magicBytes);
  return head[0] === 0x80 && at >= 0 && at < 16;
}

/**
 * Reads torch.save's format before 1.6, in which the published detection weights of 2019 and 2020 are: pickles of the
 * magic number, the version, the machine and the object, then the storages' keys and their contents one after the other.
 *
 * @throws TorchdetError ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE
 */
export function readLegacyPickle(bytes: Buffer, where: string): PickleCheckpoint {
  const cursor = new ByteCursor(bytes, where);
  const plain = (): PickleValue =>
    unpickle(cursor, () => {
      throw formatError(where, 'damaged pickle: its preamble refers to storages.');
    });
  if (plain() !== magic) throw formatError(where, 'not a torch checkpoint: wrong magic number.');
  const version = plain();
  if (version !== protocolVersion) {
    const shown = typeof version === 'number' ? String(version) : 'unknown';
    throw formatError(where, `torch protocol ${shown}, known is ${protocolVersion}.`);
  }
  const system = plain();
  if (system instanceof PickleDict && system.get('little_endian') === false) {
    throw formatError(where, 'written with big-endian numbers; torchdet reads little-endian ones.');
  }

  const named = new Map<string, StorageReference>();
  const root = unpickle(cursor, (id) => {
    const storage = storageOf(where, id);
    const known = named.get(storage.key);
    if (known && known.type !== storage.type) {
      throw formatError(where, `storage ${storage.key.slice(0, 40)} has two types.`);
    }
    named.set(storage.key, known ?? storage);
    return storage;
  });
  const keys = plain();
  if (!Array.isArray(keys)) throw formatError(where, 'damaged: the list of storages is no list.');

  const contents = new Map<string, Uint8Array>();
  for (const key of keys) {
    const storage = typeof key === 'string' ? named.get(key) : undefined;
    if (storage === undefined)
      throw formatError(where, 'damaged: it holds a storage nothing uses.');
    if (storage.dtype === undefined) {
      throw formatError(where, `holds a ${storage.type}, whose dtype torchdet does not read.`);
    }
    contents.set(storage.key, cursor.take(cursor.uint64() * itemSizes[storage.dtype]));
  }
  return { root, bytesOf: (key) => contents.get(key) };
}
