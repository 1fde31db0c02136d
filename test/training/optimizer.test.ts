import assert from 'node:assert/strict';
import { adamW, sgd } from '../../lib';
import { Tensor } from '../../lib/tensor';
import type { OptimizerDescription } from '../../lib/training/optimizer-options';
import {
  copies,
  FIXTURE,
  gradientsOf,
  optimizerOf,
  smallModel,
  step,
  STEPS,
  valuesOf,
} from './small-model';
import type { StepRules } from './small-model';

interface Case extends StepRules {
  readonly description: OptimizerDescription;
  /** What begins so has no gradient in the first three steps. */
  readonly late?: string;
  readonly schedule?: (step: number) => number;
}

const momentum = { lr: 0.05, momentum: 0.9 };

/** Those of test/oracle/optimizers.py. */
const CASES: Readonly<Record<string, Case>> = {
  sgd: { description: sgd({ lr: 0.05 }) },
  'sgd momentum': { description: sgd({ ...momentum, weightDecay: 0.01 }) },
  'sgd dampening': {
    description: sgd({ lr: 0.05, momentum: 0.8, dampening: 0.3, weightDecay: 0.01 }),
  },
  'sgd nesterov': { description: sgd({ ...momentum, weightDecay: 0.01, nesterov: true }) },
  'sgd groups': {
    description: sgd({
      ...{ lr: 0.01, momentum: 0.9, weightDecay: 0.02, normWeightDecay: 0.005, biasWeightDecay: 0 },
      groups: [{ prefixes: '2', lr: 0.1 }],
    }),
    schedule: (at) => 1 / (1 + at),
  },
  'sgd clip norm': { description: sgd(momentum), clipNorm: 1.5 },
  'sgd clip value': { description: sgd(momentum), clipValue: 0.5 },
  'sgd clip both': { description: sgd(momentum), clipValue: 0.5, clipNorm: 1.5 },
  'sgd late': { description: sgd({ ...momentum, weightDecay: 0.01 }), late: '2.' },
  adamw: { description: adamW({ lr: 0.01 }) },
  'adamw options': {
    description: adamW({ lr: 0.02, betas: [0.8, 0.95], eps: 1e-3, weightDecay: 0.1 }),
  },
  'adamw late': { description: adamW({ lr: 0.01 }), late: '2.' },
};

function assertNear(
  actual: ArrayLike<number> | undefined,
  expected: ArrayLike<number>,
  what: string,
): void {
  assert.equal(actual?.length, expected.length, what);
  Array.from(expected).forEach((wanted, i) => {
    const found = actual[i] ?? NaN;
    const limit = 1e-6 * Math.max(1, Math.abs(wanted));
    assert.ok(Math.abs(found - wanted) <= limit, `${what}[${i}]: ${found}, torch has ${wanted}`);
  });
}

describe("optimizers against torch's", () => {
  it('has all cases of the file', () => {
    assert.deepEqual(Object.keys(CASES), Object.keys(FIXTURE.cases));
  });

  for (const [name, { description, late, schedule, ...rules }] of Object.entries(CASES)) {
    it(name, async () => {
      const expected = FIXTURE.cases[name] ?? assert.fail();
      const module = await smallModel();
      const optimizer = await optimizerOf(module, description);
      for (let at = 0; at < STEPS; at++) {
        if (schedule) await optimizer.scaleLearningRates(schedule(at));
        const gradients = await gradientsOf(module, at, at < 3 ? late : undefined);
        const { gradNorm, stepped } = await step(optimizer.native, gradients, rules);
        assert.ok(stepped);
        assertNear([gradNorm], [expected.norms[at] ?? NaN], `norm of step ${at}`);
      }
      const values = await valuesOf(module);
      for (const [parameter, wanted] of Object.entries(expected.parameters)) {
        assertNear(values[parameter], wanted, parameter);
      }
      optimizer.dispose();
      module.dispose();
    });
  }
});

describe('optimizer', () => {
  it('groups by prefix, and by weight decay of norms and biases', async () => {
    const module = await smallModel();
    const { groups } = await optimizerOf(
      module,
      adamW({
        ...{ lr: 1e-3, weightDecay: 0.1, normWeightDecay: 0 },
        groups: [
          { prefixes: ['2', '0'], lr: 1e-4 },
          { prefixes: '0', lr: 5 },
        ],
      }),
    );
    assert.deepEqual(groups, [
      { names: ['0.weight', '0.bias', '2.weight', '2.bias'], lr: 1e-4, weightDecay: 0.1 },
      { names: ['1.weight', '1.bias'], lr: 1e-3, weightDecay: 0 },
    ]);
    module.dispose();
  });

  it('leaves frozen parameters alone', async () => {
    const module = await smallModel();
    const optimizer = await optimizerOf(module, sgd({ ...momentum, weightDecay: 0.1 }));
    const before = await valuesOf(module);
    await module.setRequiresGrad(['0.weight'], false);
    await step(optimizer.native, await gradientsOf(module, 0));
    const after = await valuesOf(module);
    assert.deepEqual(after['0.weight'], before['0.weight']);
    assert.notDeepEqual(after['0.bias'], before['0.bias']);
    await module.setRequiresGrad(['0.weight'], true);
    await step(optimizer.native, await gradientsOf(module, 1));
    assert.notDeepEqual((await valuesOf(module))['0.weight'], before['0.weight']);
    module.dispose();
  });

  it('makes no step where gradients are not finite', async () => {
    const module = await smallModel();
    const optimizer = await optimizerOf(module, adamW({ lr: 0.1 }));
    const before = await valuesOf(module);
    const gradients = await gradientsOf(module, 0);
    gradients['2.bias'] = Tensor.from(Float32Array.of(1, NaN, 0, 0, 0)).native;
    const { stepped, gradNorm } = await step(optimizer.native, gradients, { clipNorm: 1 });
    assert.ok(!stepped && Number.isNaN(gradNorm));
    assert.deepEqual(await valuesOf(module), before);
    assert.deepEqual(Object.keys(await optimizer.stateDict()), ['lr']);
    module.dispose();
  });

  for (const [name, description] of [
    ['SGD', sgd({ ...momentum, weightDecay: 0.01, groups: [{ prefixes: '1', lr: 0.01 }] })],
    ['AdamW', adamW({ lr: 0.02 })],
  ] as const) {
    it(`${name}: a run that goes on from a state is the run that was not interrupted`, async () => {
      const [whole, parts] = [await smallModel(), await smallModel()];
      const one = await optimizerOf(whole, description);
      const first = await optimizerOf(parts, description);
      await one.scaleLearningRates(0.5);
      await first.scaleLearningRates(0.5);
      for (let at = 0; at < 4; at++) {
        await step(one.native, await gradientsOf(whole, at));
        await step(first.native, await gradientsOf(parts, at));
      }
      const state = await first.stateDict();
      const second = await optimizerOf(parts, description);
      await second.loadStateDict(state);
      first.dispose();
      assert.deepEqual(second.learningRates, one.learningRates);
      for (let at = 4; at < STEPS; at++) {
        await step(one.native, await gradientsOf(whole, at));
        await step(second.native, await gradientsOf(parts, at));
      }
      assert.deepEqual(await valuesOf(parts), await valuesOf(whole));
      assert.deepEqual(copies(await second.stateDict()), copies(await one.stateDict()));
      whole.dispose();
      parts.dispose();
    });
  }

  it('names its state by parameter', async () => {
    const module = await smallModel();
    const optimizer = await optimizerOf(module, adamW({ lr: 0.02 }));
    await step(optimizer.native, await gradientsOf(module, 0, '2.'));
    const state = await optimizer.stateDict();
    const parameters = ['0.weight', '0.bias', '1.weight', '1.bias'];
    assert.deepEqual(
      Object.keys(state),
      ['lr'].concat(
        ...parameters.map((p) => ['step', 'exp_avg', 'exp_avg_sq'].map((k) => `state.${p}.${k}`)),
      ),
    );
    assert.equal(state.lr?.dtype, 'float64');
    assert.deepEqual(state['state.0.weight.exp_avg']?.shape, [4, 3, 3, 3]);
    module.dispose();
  });

  it('refuses a state of another optimizer, and changes nothing', async () => {
    const module = await smallModel();
    const [a, b] = [
      await optimizerOf(module, adamW({ lr: 0.02 })),
      await optimizerOf(module, sgd(momentum)),
    ];
    await step(a.native, await gradientsOf(module, 0));
    await step(b.native, await gradientsOf(module, 1));
    const [stateOfA, before] = [await a.stateDict(), copies(await b.stateDict())];
    await assert.rejects(b.loadStateDict(stateOfA), {
      code: 'ERR_STATE_DICT',
      message: /tensors that do not belong to it, 'state\./,
    });
    await assert.rejects(b.loadStateDict({}), {
      code: 'ERR_STATE_DICT',
      message: /lacks 'lr'/,
    });
    const wrong = {
      ...(await b.stateDict()),
      'state.2.bias.momentum_buffer': Tensor.from(Float32Array.of(1, 2)),
    };
    await assert.rejects(b.loadStateDict(wrong), {
      code: 'ERR_STATE_DICT',
      message: /'state\.2\.bias\.momentum_buffer' has shape \[2\].*should have \[5\]/,
    });
    assert.deepEqual(copies(await b.stateDict()), before);
    module.dispose();
  });

  it('keeps the loss scale of float16 training in its state', async () => {
    const module = await smallModel();
    const optimizer = await optimizerOf(module, sgd(momentum));
    const scaler = {
      'scaler.scale': Tensor.from(Float32Array.of(1024), []),
      'scaler.growth_tracker': Tensor.from(Int32Array.of(17), []),
    };
    const plain = await optimizer.stateDict();
    await optimizer.loadStateDict({ ...plain, ...scaler });
    const state = await optimizer.stateDict();
    assert.deepEqual(copies(state), copies({ ...plain, ...scaler }));
    assert.equal(state['scaler.growth_tracker']?.dtype, 'int32');
    await assert.rejects(
      optimizer.loadStateDict({ ...plain, 'scaler.scale': scaler['scaler.scale'] }),
      { code: 'ERR_STATE_DICT', message: /only one of 'scaler\.scale'/ },
    );
    await optimizer.loadStateDict(plain);
    assert.deepEqual(Object.keys(await optimizer.stateDict()), ['lr']);
    module.dispose();
  });

  it('takes learning rates one by one', async () => {
    const module = await smallModel();
    const optimizer = await optimizerOf(
      module,
      sgd({ lr: 1, groups: [{ prefixes: '2', lr: 0.1 }] }),
    );
    await optimizer.setLearningRates([0.3, 0.2]);
    assert.deepEqual(optimizer.learningRates, [0.3, 0.2]);
    await optimizer.scaleLearningRates(0.5);
    assert.deepEqual(optimizer.learningRates, [0.05, 0.5]);
    await assert.rejects(optimizer.setLearningRates([1]), {
      code: 'ERR_OPTION_VALUE',
      message: /has 2 groups/,
    });
    await assert.rejects(optimizer.setLearningRates([1, -1]), /rates\[1\].*-1/);
    await assert.rejects(optimizer.scaleLearningRates(NaN), { code: 'ERR_OPTION_VALUE' });
    assert.deepEqual(optimizer.learningRates, [0.05, 0.5]);
    optimizer.dispose();
    await assert.rejects(optimizer.scaleLearningRates(1), { code: 'ERR_DISPOSED' });
    module.dispose();
  });
});

describe('descriptions of optimizers', () => {
  it('are refused where something is wrong', async () => {
    const refused = (call: () => unknown, code: string, message: RegExp) => {
      assert.throws(call, { code, message });
    };
    refused(() => sgd({ lr: 0 }), 'ERR_OPTION_VALUE', /lr.*above 0/);
    refused(() => sgd({ lr: -1 }), 'ERR_OPTION_VALUE', /lr/);
    refused(() => sgd({ lr: 1, momentum: 1.5 }), 'ERR_OPTION_VALUE', /momentum.*0 to 1/);
    refused(() => sgd({ lr: 1, nesterov: true }), 'ERR_OPTION_VALUE', /nesterov.*momentum 0/);
    refused(() => sgd({ lr: 1, weightDecay: NaN }), 'ERR_OPTION_VALUE', /weightDecay/);
    refused(() => adamW({ lr: 1, betas: [0.9, 1] }), 'ERR_OPTION_VALUE', /betas.*less than 1/);
    const misspelt = { lr: 1, momentun: 0.9 };
    refused(() => sgd(misspelt), 'ERR_OPTION_UNKNOWN', /momentun.*momentum/s);
    const inGroup = { lr: 1, groups: [{ prefixes: '2', rate: 1 }] };
    refused(() => adamW(inGroup), 'ERR_OPTION_UNKNOWN', /groups\[0\].*rate/);

    const module = await smallModel();
    await assert.rejects(optimizerOf(module, sgd({ lr: 1, groups: [{ prefixes: ['0', '02'] }] })), {
      code: 'ERR_OPTION_VALUE',
      message: /no parameter's name begins with "02"/,
    });
    await assert.rejects(optimizerOf(module, {} as OptimizerDescription), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /sgd\(\) or adamW\(\)/,
    });
    module.dispose();
  });
});
