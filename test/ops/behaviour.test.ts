import assert from 'node:assert/strict';
import type { Binding, NativeTensor, ScriptValue } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';

/** What torchvision does not do (it reads outside the map, or dies) or does not say. */
describe('operators on arguments that torchvision does not stand', () => {
  let binding: Binding;

  before(() => {
    binding = loadBinding();
  });

  function floats(values: readonly number[], shape: readonly number[]): NativeTensor {
    return binding.Tensor.fromMemory(Float32Array.from(values), 'float32', shape);
  }

  async function call(name: string, args: readonly ScriptValue[]): Promise<number[]> {
    const result = await binding.callOperator(`torchvision::${name}`, args, 'cpu');
    const first = (Array.isArray(result) ? result[0] : result) as NativeTensor;
    return Array.from(first.toTypedArray(), Number);
  }

  const ones = (): NativeTensor => floats(Array<number>(2 * 4 * 5 * 6).fill(1), [2, 4, 5, 6]);

  it('pools a RoI that is not a number to NaN, and its neighbour as if it were alone', async () => {
    const rois = floats([0, NaN, 1, 4, 4, 1, 1, 1, 4, 4, 0, 1, 1, Infinity, 4], [3, 5]);
    for (const sampling of [2, 0]) {
      const pooled = await call('roi_align', [ones(), rois, 1, 1, 1, sampling, false]);
      const rounded = pooled.map((value) => Number(value.toFixed(6)));
      assert.deepEqual(rounded, [NaN, NaN, NaN, NaN, 1, 1, 1, 1, NaN, NaN, NaN, NaN]);
    }
    const largest = await call('roi_pool', [ones(), rois, 1, 1, 1]);
    assert.deepEqual(largest, [0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1]);
  });

  it('refuses more position-sensitive bins than there are channels', async () => {
    const rois = floats([0, 0, 0, 2, 2], [1, 5]);
    for (const side of [5, 2 ** 32]) {
      const pooled = call('ps_roi_pool', [ones(), rois, 1, side, side]);
      await assert.rejects(
        pooled,
        /pooled height and width must be from 1 to the 4 input channels/,
      );
    }
  });

  it('convolves no channels to the bias', async () => {
    const [none, weight] = [floats([], [1, 0, 4, 4]), floats([], [2, 0, 3, 3])];
    const offset = floats(Array<number>(18 * 4).fill(0), [1, 18, 2, 2]);
    const bias = floats([3, 4], [2]);
    const rest = [1, 1, 0, 0, 1, 1, 1, 1, false];
    const found = await call('deform_conv2d', [none, weight, offset, offset, bias, ...rest]);
    assert.deepEqual(found, [3, 3, 3, 3, 4, 4, 4, 4]);
  });

  it('averages a RoI of astronomical size in no time', async () => {
    const rois = floats([0, -1e30, -1e30, 1e30, 1e30, 0, 0, 0, 4e6, 4e6], [2, 5]);
    const pooled = await call('roi_align', [ones(), rois, 1, 1, 1, 0, false]);
    for (const value of pooled) assert.ok(value >= 0 && value < 1e-6, String(value));
  });

  it('gives zeros for an inverted RoI on an adaptive grid', async () => {
    const rois = floats([0, 4, 4, 1, 1], [1, 5]);
    assert.deepEqual(await call('roi_align', [ones(), rois, 1, 1, 1, 0, true]), [0, 0, 0, 0]);
  });

  it('pools half precision in float32', async () => {
    const bits = Uint16Array.from({ length: 36 }, (_, i) => (i % 2 === 0 ? 0x3c00 : 0x4000)); // 1, 2, 1, 2 …
    const map = binding.Tensor.fromMemory(bits, 'float16', [1, 1, 6, 6]);
    const rois = Uint16Array.from([0, 0x3c00, 0x3c00, 0x4400, 0x4400]); // image 0, 1 1 4 4
    const result = await binding.callOperator(
      'torchvision::roi_align',
      [map, binding.Tensor.fromMemory(rois, 'float16', [1, 5]), 1, 1, 1, 3, false],
      'cpu',
    );
    const pooled = result as NativeTensor;
    assert.equal(pooled.dtype, 'float16');
    // Samples at 1.5, 2.5 and 3.5 all lie halfway between a 1 and a 2.
    assert.deepEqual(Array.from(pooled.toTypedArray(), Number), [0x3e00]);
  });

  it('keeps the better of two equal boxes, whichever comes first', async () => {
    const boxes = floats([0, 0, 9, 9, 0, 0, 9, 9, 20, 20, 29, 29], [3, 4]);
    assert.deepEqual(await call('nms', [boxes, floats([0.1, 0.9, 0.5], [3]), 0.5]), [1, 2]);
    assert.deepEqual(await call('nms', [boxes, floats([0.5, 0.5, 0.5], [3]), 0.5]), [0, 2]);
  });

  const wrong: [string, string, (b: () => NativeTensor) => ScriptValue[], RegExp][] = [
    [
      'boxes of three numbers',
      'nms',
      () => [floats([1, 2, 3], [1, 3]), floats([1], [1]), 0.5],
      /boxes must be N x 4.*\[1, 3\]/s,
    ],
    [
      'fewer scores than boxes',
      'nms',
      () => [floats([0, 0, 1, 1], [1, 4]), floats([], [0]), 0.5],
      /scores must have one value for each box.*\[0\].*1 boxes/s,
    ],
    [
      'RoIs without an image index',
      'roi_align',
      (map) => [map(), floats([0, 0, 1, 1], [1, 4]), 1, 2, 2, 2, false],
      /rois must be K x 5.*\[1, 4\]/s,
    ],
    [
      'an image index beyond the batch',
      'roi_align',
      (map) => [map(), floats([2, 0, 0, 1, 1], [1, 5]), 1, 2, 2, 2, false],
      /RoI 0 names image 2, but the batch has 2/,
    ],
    [
      'an image index that is not a number',
      'ps_roi_pool',
      (map) => [map(), floats([NaN, 0, 0, 1, 1], [1, 5]), 1, 2, 2],
      /RoI 0 names image nan/,
    ],
    [
      'an empty pooled size',
      'roi_pool',
      (map) => [map(), floats([0, 0, 0, 1, 1], [1, 5]), 1, 0, 2],
      /pooled size must be positive, got 0 x 2/,
    ],
    [
      'channels that the bins do not divide',
      'ps_roi_align',
      (map) => [map(), floats([0, 0, 0, 1, 1], [1, 5]), 1, 3, 1, 2],
      /multiple of pooled height x width \(3 x 1 = 3\), got 4/,
    ],
    [
      'an offset of another size',
      'deform_conv2d',
      (map) => [
        map(),
        floats(Array<number>(4).fill(1), [1, 4, 1, 1]),
        floats(Array<number>(4).fill(1), [2, 2, 1, 1]),
        floats([], [0]),
        floats([0], [1]),
        ...[1, 1, 0, 0, 1, 1, 1, 1],
        false,
      ],
      /offset must be \[2, 2, 5, 6\], got \[2, 2, 1, 1\]/,
    ],
  ];
  for (const [what, operator, args, message] of wrong) {
    it(`refuses ${what}`, async () => {
      await assert.rejects(call(operator, args(ones)), (error: Error) => {
        assert.match(error.message, message);
        return true;
      });
    });
  }
});
