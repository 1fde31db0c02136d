import { PickleGlobal, type PickleValue, StorageReference } from './pickle-values';
import { formatError } from './types';

/**
 * The storage a persistent id names: `('storage', type, key, location, numel)`, in legacy files followed by None or
 * `(view key, offset, view size)`.
 */
export function storageOf(where: string, id: PickleValue): StorageReference {
  const [kind, type, key, , numel, view] = Array.isArray(id) ? id : [];
  const wellFormed =
    kind === 'storage' &&
    type instanceof PickleGlobal &&
    typeof key === 'string' &&
    typeof numel === 'number' &&
    Number.isSafeInteger(numel) &&
    numel >= 0;
  if (!wellFormed)
    throw formatError(where, 'damaged pickle: it refers to something that is no storage.');

  let viewOffset = 0;
  if (view !== undefined && view !== null) {
    const offset = Array.isArray(view) ? view[1] : undefined;
    if (typeof offset !== 'number' || !Number.isSafeInteger(offset) || offset < 0) {
      throw formatError(
        where,
        `damaged pickle: storage ${key.slice(0, 40)} is an impossible view.`,
      );
    }
    viewOffset = offset;
  }
  return new StorageReference(type.name, type.dtype, key, numel, viewOffset);
}
