import assert from 'node:assert/strict';
import type { Binding, NativeTensor, ScriptValue } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';

/** torch's number of the memory format. */
const CHANNELS_LAST = 2;
const INFINITY_OF_RELU = [0, Infinity];

/** The layers whose weights are packed once, each against aten's plain one in float64. */
describe('packed layers', () => {
  let binding: Binding;
  before(() => {
    binding = loadBinding();
  });
  afterEach(() => {
    binding.setThreads(2);
  });

  async function call(name: string, ...args: readonly ScriptValue[]) {
    return (await binding.callOperator(name, args, 'cpu')) as NativeTensor;
  }

  const normal = (shape: readonly number[], seed: number) =>
    binding.Tensor.random('normal', shape, seed);
  const wide = async (tensor: NativeTensor) =>
    binding.Tensor.fromMemory(Float64Array.from(await values(tensor)), 'float64', tensor.shape);
  async function values(tensor: NativeTensor): Promise<Float64Array> {
    const plain = await call('aten::contiguous', tensor, 0);
    return Float64Array.from(plain.toTypedArray() as Float32Array);
  }

  interface Tail {
    readonly activation: string;
    readonly bounds?: readonly [number, number];
    readonly sum: boolean;
  }
  const tails: readonly Tail[] = [
    { activation: 'none', sum: false },
    { activation: 'relu', sum: false },
    { activation: 'hardtanh', bounds: [0, 0.5], sum: false },
    { activation: 'hardswish', sum: false },
    { activation: 'none', sum: true },
    { activation: 'relu', sum: true },
  ];

  function activate(value: number, { activation, bounds = [0, 0] }: Tail): number {
    const clamp = (low: number, high: number, x: number) => Math.min(Math.max(x, low), high);
    if (activation === 'relu') return clamp(INFINITY_OF_RELU[0] ?? 0, Infinity, value);
    if (activation === 'hardtanh') return clamp(...bounds, value);
    return activation === 'hardswish' ? (value * clamp(0, 6, value + 3)) / 6 : value;
  }

  /** Largest difference from what float64 gives, in parts of the largest sum. */
  async function error(
    got: NativeTensor,
    plain: NativeTensor,
    tail: Tail,
    other: NativeTensor | null,
  ): Promise<number> {
    assert.deepEqual(got.shape, plain.shape);
    const found = await values(got);
    const wanted = await values(plain);
    const added = other ? await values(other) : undefined;
    let largest = 0;
    let worst = 0;
    wanted.forEach((value, i) => {
      const sum = value + (added?.[i] ?? 0);
      const reference = activate(sum, tail);
      const difference = Math.abs((found[i] ?? NaN) - reference);
      // A NaN must not be smaller than the worst.
      if (!(difference <= worst)) worst = difference;
      largest = Math.max(largest, Math.abs(sum));
    });
    return largest === 0 ? worst : worst / largest;
  }

  async function checkConvolution(
    kernel: 1 | 3,
    [n, c, h, w]: readonly [number, number, number, number],
    k: number,
    tail: Tail,
    { stride = 1, last = true } = {},
  ): Promise<number> {
    const contiguous = normal([n, c, h, w], 1);
    const input = last ? await call('aten::clone', contiguous, CHANNELS_LAST) : contiguous;
    const weight = normal([k, c, kernel, kernel], 2);
    const bias = normal([k], 3);
    const shape = [n, k, Math.ceil(h / stride), Math.ceil(w / stride)];
    const other = tail.sum ? normal(shape, 4) : null;
    const [low = 0, high = 0] = tail.bounds ?? [];
    const after = [tail.activation, low, high, other];
    const got =
      kernel === 3
        ? await call(
            'torchdet::winograd_conv2d',
            ...[input, await call('torchdet::pack_winograd', weight), bias, ...after],
          )
        : await call(
            'torchdet::pointwise_conv2d',
            ...[input, await call('torchdet::pack_linear', weight), bias, stride, ...after],
          );
    const padding = (kernel - 1) / 2;
    const plain = await call(
      'aten::conv2d',
      ...[await wide(input), await wide(weight), await wide(bias)],
      ...[[stride, stride], [padding, padding], [1, 1], 1],
    );
    return error(got, plain, tail, other);
  }

  const convolutions: readonly (readonly [number, number, number, number, number])[] = [
    // images, channels, height, width, outputs: around the widths of registers, tiles and blocks
    [1, 1, 1, 1, 1],
    [2, 3, 1, 7, 5],
    [1, 15, 4, 4, 16],
    [2, 16, 5, 3, 17],
    [1, 31, 9, 13, 33],
    [3, 33, 6, 6, 31],
    [1, 48, 21, 38, 65],
    [1, 64, 40, 41, 130],
    [1, 70, 2, 97, 40],
  ];
  for (const [n, c, h, w, k] of convolutions) {
    for (const threads of [1, 3]) {
      it(`of ${n} x ${c} x ${h} x ${w} to ${k} channels on ${threads} threads`, async () => {
        binding.setThreads(threads);
        for (const tail of tails) {
          for (const last of [true, false]) {
            const options = { last };
            const minimal = await checkConvolution(3, [n, c, h, w], k, tail, options);
            assert.ok(minimal < 2e-5, `3 x 3, ${JSON.stringify(tail)}: ${minimal}`);
            const product = await checkConvolution(1, [n, c, h, w], k, tail, options);
            assert.ok(product < 2e-6, `1 x 1, ${JSON.stringify(tail)}: ${product}`);
          }
        }
        const stride = await checkConvolution(1, [n, c, h, w], k, { activation: 'relu', sum: true }, { stride: 2 }); // prettier-ignore
        assert.ok(stride < 2e-6, `1 x 1 of stride 2: ${stride}`);
      });
    }
  }

  it('of a map of 2000 x 2000', async () => {
    const tail = { activation: 'relu', sum: false };
    assert.ok((await checkConvolution(3, [1, 3, 2000, 2000], 2, tail)) < 2e-5);
    assert.ok((await checkConvolution(1, [1, 3, 2000, 2000], 2, tail)) < 2e-6);
  });

  it('of no image', async () => {
    const input = normal([0, 16, 5, 5], 1);
    const packed = await call('torchdet::pack_winograd', normal([16, 16, 3, 3], 2));
    const result = await call('torchdet::winograd_conv2d', input, packed, normal([16], 3));
    assert.deepEqual(result.shape, [0, 16, 5, 5]);
  });

  it('spread what is added where it is smaller than the result', async () => {
    const input = normal([1, 16, 6, 6], 1);
    const weight = normal([20, 16, 3, 3], 2);
    const bias = normal([20], 3);
    const other = normal([1, 20, 1, 1], 4);
    const packed = await call('torchdet::pack_winograd', weight);
    const got = await call(
      'torchdet::winograd_conv2d',
      ...[input, packed, bias, 'relu', 0, 0, other],
    );
    const plain = await call(
      'aten::conv2d',
      ...[await wide(input), await wide(weight), await wide(bias), [1, 1], [1, 1], [1, 1], 1],
    );
    const spread = await call('aten::expand', other, [1, 20, 6, 6], false);
    const tail = { activation: 'relu', sum: true };
    assert.ok((await error(got, plain, tail, spread)) < 2e-5);
  });

  for (const [rows, c, k] of [
    [1, 1, 1],
    [5, 300, 91],
    [13, 17, 33],
    [100, 64, 40],
    [257, 520, 16],
  ] as const) {
    it(`linear, ${rows} rows of ${c} to ${k}`, async () => {
      const input = normal([rows, c], 1);
      const weight = normal([k, c], 2);
      const bias = normal([k], 3);
      const packed = await call('torchdet::pack_linear', weight);
      const plain = await call(
        'aten::linear',
        ...[await wide(input), await wide(weight), await wide(bias)],
      );
      for (const tail of tails) {
        const other = tail.sum ? normal([rows, k], 4) : null;
        const [low = 0, high = 0] = tail.bounds ?? [];
        const after = [tail.activation, low, high, other];
        const got = await call('torchdet::packed_linear', input, packed, bias, ...after);
        const found = await error(got, plain, tail, other);
        assert.ok(found < 2e-6, `${JSON.stringify(tail)}: ${found}`);
      }
    });
  }

  it('keep NaN, as torch does', async () => {
    const input = binding.Tensor.fromMemory(new Float32Array(16).fill(NaN), 'float32', [1, 16]);
    const packed = await call('torchdet::pack_linear', normal([2, 16], 2));
    const got = await call('torchdet::packed_linear', input, packed, normal([2], 3), 'relu');
    assert.deepEqual([...(await values(got))], [NaN, NaN]);
  });

  it('refuse weights that are not theirs', async () => {
    const packed = await call('torchdet::pack_linear', normal([8, 16], 2));
    await assert.rejects(
      call('torchdet::packed_linear', normal([3, 15], 1), packed, normal([8], 3)),
      /the weight has .* packed values, not those of 15 inputs and 8 outputs/,
    );
    await assert.rejects(
      call('torchdet::winograd_conv2d', normal([1, 16, 4, 4], 1), packed, normal([8], 3)),
      /not that of 16 channels and 8 outputs/,
    );
  });
});
