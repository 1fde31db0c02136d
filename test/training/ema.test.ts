import assert from 'node:assert/strict';
import type { NativeModule } from '../../binding';
import { sgd } from '../../lib';
import { Tensor } from '../../lib/tensor';
import { PendingCalls } from '../../lib/detection/calls';
import { Ema } from '../../lib/training/ema';
import {
  binding,
  copies,
  FIXTURE,
  gradientsOf,
  optimizerOf,
  smallModel,
  step,
  STEPS,
  valuesOf,
} from './small-model';

const { decay, averages, restarted } = FIXTURE.ema;

/** Steps with averages as test/oracle/optimizers.py makes them; `after` runs behind each. */
async function run(
  module: NativeModule,
  ema: Ema,
  after: (at: number) => Promise<void> = () => Promise.resolve(),
): Promise<void> {
  const optimizer = await optimizerOf(module, sgd({ lr: 0.05, momentum: 0.9 }));
  for (let at = 0; at < STEPS; at++) {
    await step(optimizer.native, await gradientsOf(module, at));
    await module.loadState({
      '1.running_mean': Tensor.random('normal', [4], 5000 + at).native,
      '1.num_batches_tracked': binding.Tensor.fromMemory(BigInt64Array.of(BigInt(at)), 'int64', []),
    });
    await ema.update();
    await after(at);
  }
  optimizer.dispose();
}

function assertNear(
  actual: Readonly<Record<string, ArrayLike<number>>>,
  expected: Readonly<Record<string, readonly number[]>>,
): void {
  for (const [name, values] of Object.entries(expected)) {
    values.forEach((wanted, i) => {
      const found = actual[name]?.[i] ?? NaN;
      assert.ok(
        Math.abs(found - wanted) <= 1e-6 * Math.max(1, Math.abs(wanted)),
        `${name}[${i}]: ${found}, torch has ${wanted}`,
      );
    });
  }
}

describe('averages of weights', () => {
  it("are torch's, buffers included", async () => {
    const module = await smallModel();
    const ema = await Ema.create(binding, module, { decay }, new PendingCalls());
    await run(module, ema);
    const state = copies(await ema.stateDict());
    assert.deepEqual(Object.keys(state), [...Object.keys(averages), 'ema.updates']);
    assert.equal(state['ema.updates']?.[0], STEPS);
    assertNear(state, averages);

    await ema.restart();
    await ema.update();
    assertNear(copies(await ema.stateDict()), restarted);
    module.dispose();
  });

  it('stand in for the weights while they are used', async () => {
    const module = await smallModel();
    const ema = await Ema.create(binding, module, { decay }, new PendingCalls());
    await run(module, ema);
    const own = await valuesOf(module);
    await ema.use(async () => {
      assertNear(await valuesOf(module), averages);
      await assert.rejects(
        ema.use(() => Promise.resolve()),
        { code: 'ERR_INVALID_ARGUMENT', message: /in use already/ },
      );
      await assert.rejects(ema.update(), /swapped in/);
      await assert.rejects(ema.stateDict(), /swapped in/);
    });
    assert.deepEqual(await valuesOf(module), own);
    await assert.rejects(
      ema.use(() => Promise.reject(new Error('evaluation failed'))),
      /evaluation failed/,
    );
    assert.deepEqual(await valuesOf(module), own);
    assertNear(copies(await ema.stateDict()), averages);
    module.dispose();
  });

  it('go on from a state exactly', async () => {
    const module = await smallModel();
    const ema = await Ema.create(binding, module, { decay }, new PendingCalls());
    let resumed: Ema | undefined;
    await run(module, ema, async (at) => {
      await resumed?.update();
      if (at !== 4) return;
      resumed = await Ema.create(binding, module, { decay }, new PendingCalls());
      await resumed.loadStateDict(await ema.stateDict());
    });
    const state = copies(await (resumed ?? assert.fail()).stateDict());
    assert.deepEqual(state, copies(await ema.stateDict()));
    module.dispose();
  });

  it('refuse what does not fit', async () => {
    const module = await smallModel();
    const code = 'ERR_OPTION_VALUE';
    await assert.rejects(Ema.create(binding, module, { decay: 1.5 }, new PendingCalls()), {
      code,
      message: /0 to 1/,
    });
    const misspelt = { decay: 0.5, decai: 1 };
    await assert.rejects(Ema.create(binding, module, misspelt, new PendingCalls()), {
      code: 'ERR_OPTION_UNKNOWN',
    });
    const ema = await Ema.create(binding, module, { decay }, new PendingCalls());
    const state = await ema.stateDict();
    const less = Object.fromEntries(Object.entries(state).filter(([name]) => name !== '2.bias'));
    await assert.rejects(ema.loadStateDict(less), { code: 'ERR_STATE_DICT', message: /2\.bias/ });
    await assert.rejects(ema.loadStateDict({ ...state, more: Tensor.from(Float32Array.of(1)) }), {
      code: 'ERR_STATE_DICT',
    });
    ema.dispose();
    await assert.rejects(ema.update(), { code: 'ERR_DISPOSED' });
    module.dispose();
  });
});
