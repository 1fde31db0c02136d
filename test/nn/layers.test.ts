// Every layer compiled by LibTorch against what torch computes from the same numbers (test/oracle/layers.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Binding, NativeModule, NativeTensor } from '../../binding';
import * as nn from '../../lib/nn';
import { loadBinding } from '../../lib/runtime/binding';

interface Numbers {
  readonly shape: readonly number[];
  readonly values: readonly number[];
}

type State = Readonly<Record<string, Numbers>>;

interface LayerCase {
  readonly name: string;
  readonly state: State;
  readonly input: Numbers;
  readonly output: Numbers;
  readonly trained?: { readonly output: Numbers; readonly state: State };
}

interface InitialCase {
  readonly name: string;
  readonly state: State;
}

const FIXTURE = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/structure/layers.json'), 'utf8'),
) as { cases: readonly LayerCase[]; initial: readonly InitialCase[] };

const LAYERS: Readonly<Record<string, nn.ModuleSpec>> = {
  conv2d: nn.conv2d(4, 6, [3, 2], { stride: [2, 1], padding: [1, 0], dilation: [1, 2], groups: 2 }),
  'conv2d without bias': nn.conv2d(4, 3, 1, { bias: false }),
  linear: nn.linear(5, 3),
  'linear without bias': nn.linear(5, 3, { bias: false }),
  batchNorm2d: nn.batchNorm2d(3, { eps: 1e-3, momentum: 0.2 }),
  frozenBatchNorm2d: nn.frozenBatchNorm2d(3),
  'frozenBatchNorm2d eps 0': nn.frozenBatchNorm2d(3, { eps: 0 }),
  groupNorm: nn.groupNorm(2, 4),
  layerNorm: nn.layerNorm(5, { eps: 1e-6 }),
  layerNorm2d: nn.layerNorm2d(4),
  relu: nn.relu(),
  relu6: nn.relu6(),
  hardswish: nn.hardswish(),
  hardsigmoid: nn.hardsigmoid(),
  silu: nn.silu(),
  gelu: nn.gelu(),
  sigmoid: nn.sigmoid(),
  identity: nn.identity(),
  dropout: nn.dropout(0.4),
  flatten: nn.flatten(),
  permute: nn.permute([0, 2, 3, 1]),
  'depthwise conv2d': nn.conv2d(4, 4, 7, { padding: 3, groups: 4 }),
  maxPool2d: nn.maxPool2d(3, { stride: 2, padding: 1, ceilMode: true }),
  'maxPool2d with its own stride': nn.maxPool2d([2, 3]),
  adaptiveAvgPool2d: nn.adaptiveAvgPool2d([2, 3]),
  convNormActivation: nn.convNormActivation(3, 4, {
    stride: 2,
    norm: nn.normLayer('batch'),
    activation: nn.hardswish,
  }),
  'convNormActivation plain': nn.convNormActivation(3, 4, {
    kernelSize: 5,
    dilation: 2,
    activation: null,
  }),
  squeezeExcitation: nn.squeezeExcitation(4, 2),
};

const weight = (init: nn.Initializer): nn.ModuleSpec =>
  nn.module('Weight', { parameters: { weight: { shape: [6, 4, 3, 3], init } }, source: '' });

const INITIAL: Readonly<Record<string, nn.ModuleSpec>> = {
  conv2d: nn.conv2d(4, 6, 3),
  linear: nn.linear(20, 7),
  'kaimingNormal fanOut relu': weight(nn.kaimingNormal({ mode: 'fanOut', nonlinearity: 'relu' })),
  kaimingNormal: weight(nn.kaimingNormal()),
  'kaimingUniform a 1': weight(nn.kaimingUniform({ a: 1 })),
  'kaimingUniform linear': weight(nn.kaimingUniform({ nonlinearity: 'linear' })),
  xavierUniform: weight(nn.xavierUniform(2)),
  normal: weight(nn.normal(0, 0.01)),
  uniform: weight(nn.uniform(-2, 3)),
};

describe('layers against torch', () => {
  let binding: Binding;
  before(() => {
    binding = loadBinding();
  });

  const compile = (spec: nn.ModuleSpec): Promise<NativeModule> =>
    binding.Module.compile(spec, { device: 'cpu', seed: 5 });

  const tensor = ({ values, shape }: Numbers): NativeTensor =>
    binding.Tensor.fromMemory(Float32Array.from(values), 'float32', shape);

  function assertClose(actual: unknown, expected: Numbers, tolerance: number, what: string): void {
    const result = actual as NativeTensor;
    assert.deepEqual(result.shape, expected.shape, what);
    const values = Array.from(result.toTypedArray(), Number);
    const scale = Math.max(...expected.values.map(Math.abs));
    expected.values.forEach((value, i) => {
      const difference = Math.abs((values[i] ?? NaN) - value);
      assert.ok(
        difference <= tolerance * scale,
        `${what}[${i}]: ${values[i] ?? NaN}, not ${value}`,
      );
    });
  }

  it('covers every layer the oracle wrote', () => {
    assert.deepEqual(
      FIXTURE.cases.map((c) => c.name),
      Object.keys(LAYERS),
    );
    assert.deepEqual(
      FIXTURE.initial.map((c) => c.name),
      Object.keys(INITIAL),
    );
  });

  for (const { name, state, input, output, trained } of FIXTURE.cases) {
    it(name, async () => {
      const spec = LAYERS[name];
      assert.ok(spec);
      const module = await compile(spec);
      const given = Object.entries(state).map(([key, value]) => [key, tensor(value)] as const);
      await module.loadState(Object.fromEntries(given));
      await module.setTraining(false);
      const x = tensor(input);
      assertClose(await module.call('forward', [x]), output, 1e-6, 'output');
      if (trained) {
        await module.setTraining(true);
        assertClose(await module.call('forward', [x]), trained.output, 1e-6, 'output in training');
        const after = await module.stateDict();
        assert.deepEqual(Object.keys(after), Object.keys(trained.state));
        for (const [key, value] of Object.entries(trained.state)) {
          assertClose(after[key], value, 1e-6, key);
        }
      }
      module.dispose();
    });
  }

  for (const { name, state } of FIXTURE.initial) {
    it(`draws ${name} as torch does after manual_seed`, async () => {
      const spec = INITIAL[name];
      assert.ok(spec);
      const module = await compile(spec);
      const drawn = await module.stateDict();
      assert.deepEqual(Object.keys(drawn), Object.keys(state));
      for (const [key, value] of Object.entries(state)) assertClose(drawn[key], value, 1e-7, key);
      module.dispose();
    });
  }

  it('drops in training only', async () => {
    const module = await compile(nn.dropout(0.5));
    const x = tensor({ shape: [1000], values: Array.from({ length: 1000 }, () => 1) });
    await module.setTraining(true);
    const values = Array.from(
      ((await module.call('forward', [x])) as NativeTensor).toTypedArray(),
      Number,
    );
    assert.deepEqual([...new Set(values)].sort(), [0, 2]);
    const kept = values.filter((value) => value === 2).length;
    assert.ok(kept > 400 && kept < 600, `${kept} of 1000 kept`);
    module.dispose();
  });

  it("compiles a network of one's own", async () => {
    const module = await compile(
      nn.module('Residual', {
        parameters: { gain: { shape: [1], init: nn.constant(3) } },
        children: [['body', nn.sequential([nn.relu(), nn.identity()])]],
        source:
          'def forward(self, x: Tensor) -> Tensor:\n    return x + self.gain * self.body.forward(x)\n',
      }),
    );
    const x = tensor({ shape: [3], values: [-1, 2, 0.5] });
    assertClose(await module.call('forward', [x]), { shape: [3], values: [-1, 8, 2] }, 1e-7, 'y');
    module.dispose();
  });

  it('overwrites eps of the frozen norms of a whole module, and of no other', async () => {
    const net = (eps: number, other: number) =>
      nn.sequential([
        nn.sequential([nn.frozenBatchNorm2d(2, { eps }), nn.relu()]),
        nn.batchNorm2d(2, { eps: other }),
      ]);
    assert.deepEqual(nn.overwriteEps(net(1e-5, 1e-3), 0), net(0, 1e-3));
    assert.deepEqual(
      nn.overwriteEps(nn.frozenBatchNorm2d(4), 1e-3),
      nn.frozenBatchNorm2d(4, { eps: 1e-3 }),
    );
    assert.throws(() => nn.overwriteEps(net(0, 0), -1), {
      code: 'ERR_OPTION_VALUE',
      message: /"eps".*at least 0, got -1/,
    });
    // A variance of 1e-5: with eps 1e-5 the scale is 1 / sqrt(2e-5), with 0 it is 1 / sqrt(1e-5).
    const module = await compile(nn.overwriteEps(nn.frozenBatchNorm2d(1), 0));
    await module.loadState({ running_var: tensor({ shape: [1], values: [1e-5] }) });
    const y = await module.call('forward', [tensor({ shape: [1, 1, 1, 1], values: [1] })]);
    assertClose(y, { shape: [1, 1, 1, 1], values: [316.22776] }, 1e-6, 'y');
    module.dispose();
  });

  it('refuses layers that cannot be', () => {
    assert.throws(() => nn.permute([0, 2, 2]), { message: /"dims".*each dimension once/ });
    assert.throws(() => nn.permute([0, 3, 1]), { message: /"dims\[1\]".*from 0 to 2, got 3/ });
    assert.throws(() => nn.layerNorm2d(0), { message: /"features".*at least 1, got 0/ });
    assert.throws(() => nn.conv2d(4, 6, 3, { groups: 3 }), {
      code: 'ERR_OPTION_VALUE',
      message: /"groups".*4 in and 6 out, got 3/,
    });
    assert.throws(() => nn.conv2d(4, 6, 0), { code: 'ERR_OPTION_VALUE', message: /"kernelSize"/ });
    assert.throws(() => nn.conv2d(4, 6, 3, { strid: 2 } as nn.Conv2dOptions), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /Did you mean "stride"/,
    });
    assert.throws(() => nn.groupNorm(32, 48), { message: /divisor of the 48 channels, got 32/ });
    assert.throws(() => nn.dropout(1.5), { message: /from 0 to 1, got 1.5/ });
  });
});
