import { OperatorCall } from './call';

/**
 * The rows of a list at some indices, for example the boxes that {@link nms} kept. torch's `index_select`, on the spot.
 *
 * @param values rows of `width` numbers, one after the other
 * @param indices of rows, from 0
 * @param width numbers in a row. Default 4: boxes; 1 takes scores
 * @throws TorchdetError ERR_INVALID_ARGUMENT for an index that no row has
 */
export function takeRows(
  values: Float32Array,
  indices: Int32Array | readonly number[],
  width = 4,
): Float32Array {
  const rows = values.length / width;
  const taken = new Float32Array(indices.length * width);
  indices.forEach((index: number, i: number) => {
    if (!(Number.isInteger(index) && index >= 0 && index < rows)) {
      const call = new OperatorCall('takeRows');
      throw call.error(`indices[${i}] is ${index}, but there are ${Math.floor(rows)} rows.`);
    }
    taken.set(values.subarray(index * width, (index + 1) * width), i * width);
  });
  return taken;
}
