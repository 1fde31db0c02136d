import { ByteCursor } from './byte-cursor';
import { storageOf } from './persistent-id';
import type { PickleCheckpoint } from './pickle-checkpoint';
import { formatError } from './types';
import { unpickle } from './unpickler';
import { zipViews } from './zip-entries';

/**
 * Reads the archives torch.save has written since 1.6: a zip with `<name>/data.pkl` and one `<name>/data/<key>` for each
 * storage. Storages stay views on `bytes`.
 *
 * @throws TorchdetError ERR_CHECKPOINT_FORMAT, ERR_CHECKPOINT_UNSAFE
 */
export async function readZipPickle(bytes: Buffer, where: string): Promise<PickleCheckpoint> {
  const entries = await zipViews(bytes, where);
  const pickles = [...entries.keys()].filter((name) => /^[^/]+\/data\.pkl$/.test(name));
  const [pickleName] = pickles;
  const pickle = pickleName === undefined ? undefined : entries.get(pickleName);
  if (pickleName === undefined || pickle === undefined || pickles.length > 1) {
    throw formatError(
      where,
      `the zip archive has ${pickles.length} data.pkl, a torch checkpoint has one.`,
    );
  }
  const prefix = pickleName.slice(0, -'data.pkl'.length);
  const byteOrder = entries.get(`${prefix}byteorder`)?.toString('latin1').trim() ?? 'little';
  if (byteOrder !== 'little') {
    throw formatError(
      where,
      `written with ${byteOrder.slice(0, 20)}-endian numbers; torchdet reads little-endian ones.`,
    );
  }
  const root = unpickle(new ByteCursor(pickle, where), (id) => storageOf(where, id));
  return { root, bytesOf: (key) => entries.get(`${prefix}data/${key}`) };
}
