// A detector's state dict as a file.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Detector, readSafetensors } from '../../lib';
import { TemporaryFolder, tinyDetector, tinySpec } from './helpers';

/** Half precision has 11 bits, and steps of 2^-24 near zero. */
function roundedAlike(values: Float32Array, rounded: Float32Array): boolean {
  return values.every(
    (value, i) => Math.abs((rounded[i] ?? NaN) - value) <= Math.abs(value) / 2048 + 2 ** -25,
  );
}

describe('Detector.save to .safetensors', () => {
  it('writes the state dict, whole or in half precision, and says whose it is', async () => {
    using folder = new TemporaryFolder();
    await using detector = await tinyDetector();
    const [whole, half] = [join(folder.path, 'a.safetensors'), join(folder.path, 'b.safetensors')];
    await detector.save(whole);
    await detector.save(half, { half: true });
    assert.deepEqual(readdirSync(folder.path).sort(), ['a.safetensors', 'b.safetensors']);
    assert.ok(statSync(half).size < 0.6 * statSync(whole).size);
    const { tensors, metadata } = readSafetensors(half);
    const told = JSON.parse(metadata.torchdet ?? '') as { name: string; numClasses: number };
    assert.deepEqual([told.name, told.numClasses], [detector.name, tinySpec().numClasses]);

    const state = await detector.stateDict();
    assert.deepEqual([...tensors.keys()].sort(), Object.keys(state).sort());
    for (const file of [whole, half]) {
      await using copy = await Detector.create(tinySpec(), {
        device: 'cpu',
        seed: 9,
        weights: file,
      });
      const copied = await copy.stateDict();
      for (const [name, { data, dtype }] of Object.entries(state)) {
        const other = copied[name];
        assert.equal(other?.dtype, dtype);
        if (file === whole || dtype !== 'float32') assert.deepEqual(other.data, data, name);
        else {
          assert.ok(roundedAlike(data as Float32Array, other.data as Float32Array), name);
        }
      }
    }
  });

  it('writes archives whole, and refuses other options', async () => {
    using folder = new TemporaryFolder();
    await using detector = await tinyDetector();
    const path = join(folder.path, 'a.pt');
    await assert.rejects(detector.save(path, { half: true }), {
      code: 'ERR_OPTION_VALUE',
      message: /a\.pt.*safetensors/,
    });
    await assert.rejects(detector.save(path, { dtype: 'float16' } as object), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /"dtype"/,
    });
    assert.ok(!existsSync(path));
    await assert.rejects(detector.save(join(folder.path, 'no', 'a.safetensors')), {
      code: 'ERR_FILE',
    });
  });
});
