import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Binding, NativeTensor } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';

const MEBIBYTE = 2 ** 20;

/** Memory of large tensors is kept for the next ones, and given back when there is nothing to do. */
describe('memory of tensors', () => {
  let binding: Binding;
  before(() => {
    binding = loadBinding();
  });

  function source(mebibytes: number): NativeTensor {
    const numbers = new Float32Array((mebibytes * MEBIBYTE) / 4).fill(1);
    return binding.Tensor.fromMemory(numbers, 'float32', [numbers.length]);
  }

  async function copyOf(tensor: NativeTensor): Promise<NativeTensor> {
    return (await binding.callOperator('aten::clone', [tensor], 'cpu')) as NativeTensor;
  }

  const resident = () => process.memoryUsage.rss() / MEBIBYTE;

  it('is handed out again without a visit to the kernel', async () => {
    const tensor = source(64);
    (await copyOf(tensor)).dispose();
    const before = process.resourceUsage().minorPageFault;
    for (let i = 0; i < 10; ++i) (await copyOf(tensor)).dispose();
    // 64 MiB are 16,384 pages.
    const faults = process.resourceUsage().minorPageFault - before;
    assert.ok(faults < 8192, `${faults} page faults`);
  });

  it('does not grow with the number of sizes, and neighbours keep their contents', async () => {
    const sizes = [1, 3, 7, 13, 21, 30].map(source);
    const held: NativeTensor[] = [];
    let after = 0;
    for (let i = 0; i < 120; ++i) {
      const tensor = sizes[(i * 7 + Math.floor(i / 5)) % sizes.length] ?? assert.fail();
      held.push(await copyOf(tensor));
      if (held.length > 3) {
        const oldest = held.shift() ?? assert.fail();
        const sum = await binding.callOperator('aten::sum', [oldest, null], 'cpu');
        assert.equal((sum as NativeTensor).toTypedArray()[0], oldest.shape[0]);
        oldest.dispose();
      }
      if (i === 40) after = resident();
    }
    for (const tensor of held) tensor.dispose();
    assert.ok(resident() - after < 150, `${after} MiB became ${resident()} MiB`);
  });

  it('goes back to the kernel after half a minute without work', async function () {
    this.timeout(60_000);
    const tensor = source(256);
    const copies = [await copyOf(tensor), await copyOf(tensor)];
    const full = resident();
    for (const copy of copies) copy.dispose();
    await copyOf(source(1)); // disposed tensors are dropped with the next call
    const deadline = performance.now() + 45_000;
    while (full - resident() < 400 && performance.now() < deadline) await sleep(200);
    assert.ok(full - resident() >= 400, `${full} MiB became ${resident()} MiB`);
  });
});
