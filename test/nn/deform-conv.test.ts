// Deformable convolutions compiled by LibTorch against what torchvision computes (test/oracle/deform_conv.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { nn, Tensor } from '../../lib';
import { TemporaryFolder } from '../detector/helpers';

interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

interface LayerCase {
  readonly name: string;
  readonly state: Readonly<Record<string, Numbers>>;
  readonly inputs: readonly Numbers[];
  readonly output: Numbers;
}

const CASES = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/structure/deform-conv.json'), 'utf8'),
) as readonly LayerCase[];

const LAYERS: Readonly<Record<string, nn.ModuleSpec>> = {
  plain: nn.deformConv2d(4, 6, [3, 2], {
    ...{ stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 },
  }),
  'plain without bias': nn.deformConv2d(4, 3, 3, { padding: 1, bias: false }),
  modulated: nn.deformConv2d(4, 6, 3, { padding: 1, modulated: true }),
  'finding offsets': nn.dfConv2d(4, 6, 3, { stride: 2, padding: 1, bias: false }),
  'finding offsets and masks': nn.dfConv2d(4, 4, 3, {
    ...{ padding: 1, groups: 2, modulated: true, deformableGroups: 2 },
  }),
};

const tensor = ({ values, shape }: Numbers) => Tensor.from(Float32Array.from(values), shape);

function assertClose(actual: nn.Value, expected: Numbers, what: string): void {
  assert.ok(actual instanceof Tensor);
  assert.deepEqual(actual.shape, expected.shape, what);
  const scale = Math.max(...expected.values.map(Math.abs));
  expected.values.forEach((value, i) => {
    const difference = Math.abs(Number(actual.data[i]) - value);
    assert.ok(difference <= 2e-6 * scale, `${what}[${i}]: ${Number(actual.data[i])}, not ${value}`);
  });
}

describe('deformable convolutions', () => {
  it('covers every layer the oracle wrote', () => {
    assert.deepEqual(
      CASES.map(({ name }) => name),
      Object.keys(LAYERS),
    );
  });

  for (const { name, state, inputs, output } of CASES) {
    it(`${name}, also after saving and loading`, async () => {
      const spec = LAYERS[name] ?? assert.fail(name);
      await using module = await nn.compile(spec, { device: 'cpu' });
      assert.deepEqual(Object.keys(await module.stateDict()), Object.keys(state));
      const given = Object.entries(state).map(([key, value]) => [key, tensor(value)] as const);
      await module.loadStateDict(Object.fromEntries(given));
      assertClose(await module.call(inputs.map(tensor)), output, 'output');

      using folder = new TemporaryFolder();
      const path = join(folder.path, 'layer.pt');
      await module.save(path);
      await using loaded = await nn.CompiledModule.load(path, { device: 'cpu' });
      assertClose(await loaded.call(inputs.map(tensor)), output, 'output of the loaded');
    });
  }

  it('starts offsets within the bounds of Kaiming uniform, a = 1, and their biases at zero', async () => {
    const layer = nn.dfConv2d(16, 16, 3, { padding: 1, modulated: true });
    await using module = await nn.compile(layer, { device: 'cpu', seed: 1 });
    const state = await module.stateDict();
    const bound = Math.sqrt(3 / (16 * 9));
    const weights = Array.from(state['offset.weight']?.data ?? [], Number);
    assert.equal(weights.length, 27 * 16 * 9);
    const largest = Math.max(...weights.map(Math.abs));
    assert.ok(largest <= bound && largest > 0.98 * bound, `${largest}, bound ${bound}`);
    assert.ok(Array.from(state['offset.bias']?.data ?? [1], Number).every((value) => value === 0));
  });

  it('refuses what cannot be', () => {
    assert.throws(() => nn.deformConv2d(4, 6, 3, { groups: 3 }), {
      code: 'ERR_OPTION_VALUE',
      message: /deformConv2d.*"groups".*4 in and 6 out, got 3/,
    });
    assert.throws(() => nn.dfConv2d(6, 6, 3, { deformableGroups: 4 }), {
      code: 'ERR_OPTION_VALUE',
      message: /"deformableGroups".*divisor of the 6 channels, got 4/,
    });
    assert.throws(() => nn.dfConv2d(6, 6, 3, { modulate: true } as nn.DfConv2dOptions), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /Did you mean "modulated"/,
    });
  });
});
