import assert from 'node:assert/strict';
import { constants } from 'node:buffer';
import { Tensor, TorchdetError } from '../../lib';
import { engine } from '../../lib/engine';
import { runScript } from './helpers';

describe('Tensor', () => {
  it('uses the memory of a typed array without a copy, in both directions', () => {
    const array = Float32Array.from([1, 2, 3, 4, 5, 6]);
    const tensor = Tensor.from(array, [2, 3]);
    assert.deepEqual(tensor.shape, [2, 3]);
    assert.equal(tensor.dtype, 'float32');
    assert.equal(tensor.device, 'cpu');
    assert.equal(tensor.byteLength, 24);
    array[4] = 50;
    assert.equal(tensor.data[4], 50);
    tensor.data[0] = -1;
    assert.equal(array[0], -1);
  });

  it('takes Buffers and views with an offset', () => {
    const bytes = Buffer.from([9, 9, 9, 9, 1, 2, 3, 4]);
    assert.deepEqual([...Tensor.from(bytes.subarray(4)).data], [1, 2, 3, 4]);
    const floats = new Float32Array(8).fill(7);
    assert.deepEqual([...Tensor.from(floats.subarray(6)).data], [7, 7]);
  });

  it('hands out every dtype under the typed array it documents', () => {
    const cases = [
      [new Float64Array([0.5]), 'float64'],
      [new Int8Array([-3]), 'int8'],
      [new Int16Array([-300]), 'int16'],
      [new Int32Array([-70_000]), 'int32'],
      [new BigInt64Array([-5_000_000_000n]), 'int64'],
    ] as const;
    for (const [array, dtype] of cases) {
      const tensor = Tensor.from(array);
      assert.equal(tensor.dtype, dtype);
      assert.deepEqual(tensor.data, array);
    }
    const half = Tensor.from(new Uint16Array([0x3c00]), [1], 'float16');
    assert.equal(half.dtype, 'float16');
    assert.deepEqual(half.data, new Uint16Array([0x3c00]));
  });

  it('holds an empty tensor', () => {
    const tensor = Tensor.from(new Float32Array(0), [0, 4]);
    assert.deepEqual(tensor.shape, [0, 4]);
    assert.equal(tensor.data.length, 0);
  });

  it('refuses what does not fit, with the numbers', () => {
    const array = new Float32Array(6);
    assert.throws(() => Tensor.from(array, [2, 2]), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /takes 16 bytes, the memory has 24/,
    });
    assert.throws(() => Tensor.from(array, [-1, 6]), { code: 'ERR_INVALID_ARGUMENT' });
    assert.throws(() => Tensor.from(new Uint16Array(2)), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /needs a dtype/,
    });
    const unaligned = new Uint8Array(new ArrayBuffer(9), 1, 8);
    assert.throws(() => Tensor.from(unaligned, [2], 'float32'), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /aligned/,
    });
    assert.throws(() => Tensor.from(new Float32Array(new SharedArrayBuffer(16))), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /shared between threads/,
    });
    for (const shape of [[2 ** 31, 2 ** 31], [2 ** 60, 4], [2 ** 53 + 2]]) {
      assert.throws(() => Tensor.from(new Float32Array(0), shape), {
        code: 'ERR_INVALID_ARGUMENT',
        message: /at most 2\^53/,
      });
    }
    assert.throws(() => Tensor.from(new Float32Array(1), [1], 'int32'), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /Float32Array holds float32, which is not read as int32/,
    });
    assert.deepEqual(Tensor.from(Buffer.alloc(8), [2], 'float32').shape, [2]);
    const normal = 'gauss' as 'normal';
    assert.throws(() => Tensor.random(normal, [1]), { code: 'ERR_OPTION_VALUE' });
    assert.throws(() => Tensor.random('normal', [1], -1), { code: 'ERR_OPTION_VALUE' });
  });

  it('refuses an array larger than Node makes, and gives its parts', () => {
    const tensor = Tensor.from(Float32Array.of(1, 2, 3, 4, 5, 6), [3, 2]);
    const binding = engine();
    // As if this Node made none of more than 16 bytes: a tensor of 4 GiB would be too much for a test.
    binding.initialize(TorchdetError, 16);
    try {
      assert.throws(() => tensor.data, {
        code: 'ERR_INVALID_ARGUMENT',
        message: /at most 16 bytes here, the tensor has 24/,
      });
      assert.deepEqual([...tensor.native.toTypedArray(1)], [3, 4]);
    } finally {
      binding.initialize(TorchdetError, constants.MAX_LENGTH);
    }
    assert.equal(tensor.data.length, 6);
  });

  it('draws the numbers that torch draws', () => {
    // torch.manual_seed(0); torch.randn(4), torch.rand(2)
    const close = (actual: ArrayLike<number | bigint>, expected: number[]) => {
      expected.forEach((value, i) => {
        assert.ok(Math.abs(Number(actual[i]) - value) < 1e-6, `${actual[i]} is not ${value}`);
      });
    };
    const normal = [1.540996, -0.2934289, -2.1787894, 0.56843126];
    close(Tensor.random('normal', [4], 0).data, normal);
    close(Tensor.random('uniform', [2], 0).data, [0.4962566, 0.7682218]);
  });

  it('refuses use after dispose, keeps views alive, and may be disposed twice', () => {
    const tensor = Tensor.random('normal', [3], 1);
    const view = tensor.data;
    const first = view[0];
    tensor.dispose();
    tensor.dispose();
    assert.equal(view[0], first);
    assert.throws(() => tensor.data, { code: 'ERR_DISPOSED' });
    assert.throws(() => tensor.shape, { code: 'ERR_DISPOSED' });
  });

  it('frees its memory when disposed', async () => {
    const { code, stdout, stderr } = await runScript(
      `
      const round = () => { for (let i = 0; i < 50; i++) torchdet.Tensor.random('uniform', [4 * 2 ** 20], 0).dispose(); };
      round();
      const before = process.memoryUsage().rss;
      round(); round();
      console.log((process.memoryUsage().rss - before) / 2 ** 20);
    `,
      // glibc keeps freed blocks for itself otherwise; as mappings they show in what the process has.
      { env: { MALLOC_MMAP_THRESHOLD_: '65536' } },
    );
    assert.equal(code, 0, stderr);
    // 100 tensors of 16 MB went through.
    assert.ok(Number(stdout) < 100, `resident memory grew by ${stdout.trim()} MB`);
  });

  it('lets go of borrowed arrays', async () => {
    const { code, stdout, stderr } = await runScript(`
      const round = () => {
        for (let i = 0; i < 50; i++) { torchdet.Tensor.from(new Float32Array(4 * 2 ** 20).fill(1)); gc(); }
        return process.memoryUsage().arrayBuffers / 2 ** 20;
      };
      const turn = () => new Promise((resolve) => setTimeout(resolve, 20));
      (async () => {
        const held = round();
        // Collected tensors hand their references back on the loop's next turns, and the arrays go with the next collection.
        let after = Infinity;
        for (let i = 0; i < 50 && after > 0.9; i++) { await turn(); gc(); after = process.memoryUsage().arrayBuffers / 2 ** 20; }
        console.log(JSON.stringify({ held, after }));
      })();
    `);
    assert.equal(code, 0, stderr);
    const { held, after } = JSON.parse(stdout) as { held: number; after: number };
    assert.ok(held > 10, 'nothing was borrowed');
    assert.ok(after <= 0.9, `${after} MB were held at the end`);
  });

  it('keeps borrowed memory alive while only the tensor knows it', async () => {
    const { code, stdout, stderr } = await runScript(`
      const make = () => torchdet.Tensor.from(new Float32Array(1e6).fill(3));
      const tensor = make();
      for (let i = 0; i < 20; i++) { new Float32Array(1e6).fill(9); gc(); }
      console.log(tensor.data.every((value) => value === 3));
    `);
    assert.equal(code, 0, stderr);
    assert.equal(stdout.trim(), 'true');
  });
});
