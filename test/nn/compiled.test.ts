import assert from 'node:assert/strict';
import { join } from 'node:path';
import { nn, Tensor } from '../../lib';
import { TemporaryFolder } from '../detector/helpers';

const block = () =>
  nn.sequential([nn.conv2d(3, 4, 3, { padding: 1, bias: false }), nn.batchNorm2d(4), nn.relu()]);

const input = () => Tensor.random('normal', [2, 3, 6, 5], 3);
const first = (tensor: Tensor | undefined) => Number(tensor?.data[0]);

describe('compiled modules', () => {
  it('lists parameters and buffers under the names of torch', async () => {
    await using module = await nn.compile(block(), { device: 'cpu' });
    assert.deepEqual(
      (await module.parameters()).map(({ name, shape }) => [name, shape]),
      [
        ['0.weight', [4, 3, 3, 3]],
        ['1.weight', [4]],
        ['1.bias', [4]],
      ],
    );
    assert.deepEqual(
      (await module.buffers()).map(({ name }) => name),
      ['1.running_mean', '1.running_var', '1.num_batches_tracked'],
    );
  });

  it('updates running statistics in training mode only', async () => {
    await using module = await nn.compile(block(), { device: 'cpu' });
    const tracked = async () => {
      const state = await module.stateDict();
      return [first(state['1.num_batches_tracked']), first(state['1.running_mean'])] as const;
    };
    await module.call([input()]);
    const [count, mean] = await tracked();
    assert.equal(count, 1);
    assert.notEqual(mean, 0);
    await module.eval();
    await module.call([input()]);
    assert.deepEqual(await tracked(), [count, mean]);
    await module.train();
    await module.call([input()]);
    assert.equal((await tracked())[0], 2);
  });

  it('freezes and unfreezes by prefix', async () => {
    await using module = await nn.compile(block(), { device: 'cpu' });
    const training = async () =>
      (await module.parameters()).filter((p) => p.requiresGrad).map(({ name }) => name);
    await module.freeze('0.');
    assert.deepEqual(await training(), ['1.weight', '1.bias']);
    await module.unfreeze('0.');
    assert.equal((await training()).length, 3);
    await assert.rejects(module.freeze('layer9.'), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /layer9.*start with 0, 1/s,
    });
  });

  it('saves and loads, values, mode and frozen parameters included', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'block.pt');
    await using module = await nn.compile(block(), { device: 'cpu', seed: 4 });
    await module.eval();
    await module.freeze('0.');
    await module.save(path);
    await using again = await nn.CompiledModule.load(path, { device: 'cpu' });
    const [a, b] = await Promise.all([module.call([input()]), again.call([input()])]);
    assert.ok(a instanceof Tensor && b instanceof Tensor);
    assert.deepEqual(b.data, a.data);
    assert.deepEqual(await again.parameters(), await module.parameters());
  });

  it('shares its memory with the state dict, and copies what is loaded', async () => {
    await using module = await nn.compile(block(), { device: 'cpu' });
    const { '0.weight': weight } = await module.stateDict();
    assert.ok(weight);
    weight.data.fill(0 as never);
    await module.eval();
    const zeros = await module.call([input()]);
    assert.ok(zeros instanceof Tensor && [...zeros.data].every((value) => value === 0));
    const values = new Float32Array(4 * 27).fill(1);
    await module.loadStateDict({ '0.weight': Tensor.from(values, [4, 3, 3, 3]) });
    values.fill(9);
    assert.equal(first((await module.stateDict())['0.weight']), 1);
  });

  it('names the submodule that does not compile', async () => {
    const wrong = nn.module('Wrong', {
      source: 'def forward(self, x: Tensor) -> Tensor:\n    return torch.no_such_operator(x)\n',
    });
    await assert.rejects(nn.compile(nn.sequential([wrong]), { device: 'cpu' }), {
      code: 'ERR_COMPILE',
      message: /module '0' of type Wrong.*no_such_operator/s,
    });
  });

  it('refuses arguments that do not fit the method', async () => {
    await using module = await nn.compile(block(), { device: 'cpu' });
    await assert.rejects(module.call([3]), { code: 'ERR_INVALID_ARGUMENT' });
    await assert.rejects(module.call([]), { code: 'ERR_INVALID_ARGUMENT', message: /missing/ });
    await assert.rejects(module.call([input()], 'body.forward'), { code: 'ERR_INVALID_ARGUMENT' });
  });
});
