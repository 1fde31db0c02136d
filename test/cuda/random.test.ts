import assert from 'node:assert/strict';
import type { NativeTensor, ScriptValue } from '../../binding';
import { pixels, tinyDetector } from '../detector/helpers';
import { assertSame, openHostOperators, Random, tensorsOf } from './host';

const CHANNELS_LAST = 2;
const [HALF, BFLOAT16] = [5, 15];

/* The kernels' own code on the CPU against the CPU's operators, on random shapes. */
describe("CUDA kernels, compiled for the CPU, against the CPU's operators", function () {
  this.timeout(600_000);
  let random: Random;

  before(async () => {
    random = new Random(await openHostOperators());
  });

  async function both(
    name: string,
    ...args: ScriptValue[]
  ): Promise<[NativeTensor[], NativeTensor[]]> {
    const call = async (space: string) =>
      tensorsOf(await random.binding.callOperator(`${space}::${name}`, args, 'cpu'));
    return [
      await call('torchdet_host'),
      await call(name.includes('level') || name.includes('segment') ? 'torchdet' : 'torchvision'),
    ];
  }

  async function compare(
    tolerance: number,
    name: string,
    ...args: ScriptValue[]
  ): Promise<NativeTensor[]> {
    const [actual, expected] = await both(name, ...args);
    assert.equal(actual.length, expected.length);
    expected.forEach((tensor, i) => {
      const integers =
        tensor.dtype === 'int64' || tensor.dtype === 'int32' || tensor.dtype === 'bool';
      assertSame(
        actual[i] ?? assert.fail(),
        tensor,
        integers ? 0 : tolerance,
        `${name} ${String(i)}`,
      );
    });
    return actual;
  }

  const channelsLast = (tensor: NativeTensor) =>
    random.call('aten::contiguous', tensor, CHANNELS_LAST);

  it('nms keeps the same boxes in the same order, at the lengths around whole words', async () => {
    for (const count of [1, 2, 63, 64, 65, 127, 128, 129, 700, 3000]) {
      for (const threshold of [0, 0.3, 0.5, 0.9]) {
        const boxes = random.boxes(count, 40 + count / 4);
        // Few different scores: order among equals is part of the result.
        const scores = random.uniform([count], 0, 20, true);
        await compare(0, 'nms', boxes, scores, threshold);
      }
    }
  });

  it('suppress_segments treats each segment by itself, up to its count', async () => {
    for (const [segments, size] of [
      [1, 1],
      [3, 64],
      [5, 65],
      [7, 200],
      [2, 513],
    ] as const) {
      const boxes = await random.call('aten::view', random.boxes(segments * size, 60), [
        segments,
        size,
        4,
      ]);
      const counts = BigInt64Array.from({ length: segments }, () =>
        BigInt(random.integer(0, size)),
      );
      const given = random.binding.Tensor.fromMemory(counts, 'int64', [segments]);
      await compare(0, 'suppress_segments', boxes, given, 0.4);
      await compare(0, 'suppress_segments', boxes, null, 0.6);
    }
  });

  it('roi_align and its gradient, for both layouts and grids', async () => {
    for (let round = 0; round < 12; round++) {
      const [images, channels] = [random.integer(1, 3), random.integer(1, 19)];
      const [height, width] = [random.integer(1, 40), random.integer(1, 50)];
      const [h, w] = [random.integer(1, 7), random.integer(1, 7)];
      const map = random.uniform([images, channels, height, width], -2, 2);
      const rois = random.boxes(random.integer(1, 30), 220, images);
      const options = [0.25, h, w] as const;
      const [sampling, aligned] = [round % 3, round % 2 === 0];
      for (const input of [map, await channelsLast(map)]) {
        await compare(2e-6, 'roi_align', input, rois, ...options, sampling, aligned);
      }
      const grad = random.uniform([rois.shape[0] ?? 0, channels, h, w], -1, 1);
      await compare(
        1e-5,
        '_roi_align_backward',
        grad,
        rois,
        ...options,
        images,
        channels,
        height,
        width,
        sampling,
        aligned,
      );
    }
  });

  it('roi_align in float16 and bfloat16', async () => {
    const map = random.uniform([2, 9, 20, 30], -2, 2);
    const rois = random.boxes(20, 100, 2);
    for (const dtype of [HALF, BFLOAT16]) {
      const [half, halfRois] = await Promise.all(
        [map, rois].map((tensor) => random.call('aten::_to_copy', tensor, dtype)),
      );
      assert.ok(half && halfRois);
      const args = [half, halfRois, 0.25, 3, 4, 2, false] as const;
      const [[actual], [expected]] = await both('roi_align', ...args);
      assert.ok(actual && expected);
      assert.equal(actual.dtype, half.dtype);
      // Both round a float32 result, which may lie on either side of a step: one unit in the last place.
      const [got, wanted] = await Promise.all(
        [actual, expected].map((tensor) => random.call('aten::_to_copy', tensor, 6)),
      );
      assert.ok(got && wanted);
      assertSame(got, wanted, dtype === HALF ? 2 ** -10 : 2 ** -7, 'pooled');
    }
  });

  it('pool_levels pools each RoI from its own map', async () => {
    for (let round = 0; round < 4; round++) {
      const channels = random.integer(1, 18);
      const maps = [32, 16, 8].map((size) => random.uniform([2, channels, size, size + 3], -2, 2));
      const rois = random.boxes(25, 128, 2);
      const levels = BigInt64Array.from({ length: 25 }, () => BigInt(random.integer(0, 2)));
      const given = random.binding.Tensor.fromMemory(levels, 'int64', [25]);
      const laidOut = round % 2 === 0 ? maps : await Promise.all(maps.map(channelsLast));
      await compare(2e-6, 'pool_levels', laidOut, rois, given, [0.25, 0.125, 0.0625], 7, 7, 2);
    }
  });

  it('roi_pool, ps_roi_pool and ps_roi_align, and their gradients', async () => {
    for (let round = 0; round < 6; round++) {
      const [h, w, images] = [random.integer(1, 4), random.integer(1, 5), random.integer(1, 3)];
      const channels = h * w * random.integer(1, 3);
      const [height, width] = [random.integer(2, 30), random.integer(2, 30)];
      const map = random.uniform([images, channels, height, width], -2, 2);
      const rois = random.boxes(random.integer(1, 20), 120, images);
      const sizes = [images, channels, height, width] as const;
      for (const name of ['roi_pool', 'ps_roi_pool', 'ps_roi_align']) {
        const options = name === 'ps_roi_align' ? [round % 3] : [];
        const [pooled, companion] = await compare(3e-6, name, map, rois, 0.25, h, w, ...options);
        assert.ok(pooled && companion);
        const grad = random.uniform(pooled.shape, -1, 1);
        await compare(
          1e-5,
          `_${name}_backward`,
          grad,
          rois,
          companion,
          0.25,
          h,
          w,
          ...options,
          ...sizes,
        );
      }
    }
  });

  it('deform_conv2d and its gradients, with groups, offset groups, stride, dilation and mask', async () => {
    for (let round = 0; round < 6; round++) {
      const [groups, offsetGroups] = [random.integer(1, 2), random.integer(1, 2)];
      const [inputs, outputs] = [4 * random.integer(1, 3), 2 * random.integer(1, 4)];
      const [kh, kw, stride, pad, dilation] = [
        random.integer(1, 3),
        random.integer(1, 3),
        random.integer(1, 2),
        random.integer(0, 2),
        random.integer(1, 2),
      ];
      const [images, height, width] = [
        random.integer(1, 3),
        random.integer(6, 14),
        random.integer(6, 14),
      ];
      const out = (size: number, kernel: number) =>
        Math.floor((size + 2 * pad - dilation * (kernel - 1) - 1) / stride) + 1;
      const [h, w] = [out(height, kh), out(width, kw)];
      const input = random.uniform([images, inputs, height, width], -1, 1);
      const weight = random.uniform([outputs, inputs / groups, kh, kw], -1, 1);
      const offset = random.uniform([images, 2 * offsetGroups * kh * kw, h, w], -3, 3);
      const mask = random.uniform([images, offsetGroups * kh * kw, h, w]);
      const bias = random.uniform([outputs], -1, 1);
      const geometry = [
        stride,
        stride,
        pad,
        pad,
        dilation,
        dilation,
        groups,
        offsetGroups,
        round % 2 === 0,
      ] as const;
      for (const image of [input, await channelsLast(input)]) {
        await compare(3e-6, 'deform_conv2d', image, weight, offset, mask, bias, ...geometry);
      }
      const grad = random.uniform([images, outputs, h, w], -1, 1);
      await compare(
        1e-5,
        '_deform_conv2d_backward',
        grad,
        input,
        weight,
        offset,
        mask,
        bias,
        ...geometry,
      );
    }
  });

  it('fill_batch makes the batch that the CPU makes', async () => {
    const images = [pixels(64, 48), pixels(150, 40), pixels(33, 90)];
    await using detector = await tinyDetector();
    const { batch, imageSizes } = await detector.stages.transform(images);
    const table = images.length * 6 * 8;
    const bytes = new Uint8Array(table + images.reduce((sum, { data }) => sum + data.length, 0));
    let offset = table;
    const numbers = images.flatMap(({ data, width, height, channels }, i) => {
      bytes.set(data, offset);
      offset += data.length;
      const [outHeight, outWidth] = imageSizes[i] ?? assert.fail();
      return [offset - data.length, height, width, channels, outHeight, outWidth];
    });
    bytes.set(new Uint8Array(BigInt64Array.from(numbers, BigInt).buffer));
    const packed = random.binding.Tensor.fromMemory(bytes, 'uint8', [bytes.length]);
    const [, , height, width] = batch.shape;
    const [mean, std] = [
      [0.485, 0.456, 0.406],
      [0.229, 0.224, 0.225],
    ];
    const args = [packed, images.length, height ?? 0, width ?? 0, mean, std, [0, 1, 2]];
    const filled = await random.call('torchdet_host::fill_batch', ...args);
    assertSame(filled, batch.native, 0, 'batch');
  });
});
