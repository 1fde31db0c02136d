// First values come from a generator of their own: what others draw meanwhile is not disturbed.
import assert from 'node:assert/strict';
import { nn, Tensor } from '../../lib';

const ONES = Tensor.from(new Float32Array(1000).fill(1), [1000]);

describe('seeds of compiled modules', () => {
  it('give the same first values each time', async () => {
    const values = async (seed: number) => {
      await using module = await nn.compile(nn.linear(20, 30), { device: 'cpu', seed });
      return Array.from((await module.stateDict()).weight?.data ?? [], Number);
    };
    const first = await values(3);
    assert.equal(first.length, 600);
    assert.deepEqual(await values(3), first);
    assert.notDeepEqual(await values(4), first);
  });

  it('leave the numbers alone that a training draws', async () => {
    await using dropout = await nn.compile(nn.dropout(0.5), { device: 'cpu' });
    const drawn: string[] = [];
    for (let i = 0; i < 3; i++) {
      await using other = await nn.compile(nn.linear(20, 30), { device: 'cpu', seed: 3 });
      assert.ok(other);
      const output = await dropout.call([ONES]);
      assert.ok(output instanceof Tensor);
      drawn.push(Array.from(output.data, Number).join());
    }
    // Compiling with one seed put the numbers that follow back to one place.
    assert.equal(new Set(drawn).size, 3);
  });
});
