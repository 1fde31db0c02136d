import assert from 'node:assert/strict';
import { schedules } from '../../lib';
import { FIXTURE } from './small-model';

const { constant, cosine, linear, multiStep, perEpoch, sequential, warmUp } = schedules;

/** Those of test/oracle/optimizers.py. */
const CASES: Readonly<Record<string, schedules.Schedule>> = {
  constant: constant(0.25),
  multiStep: multiStep({ milestones: [8, 16, 16, 20], gamma: 0.3 }),
  cosine: cosine({ steps: 30, minFactor: 0.1 }),
  linear: linear({ steps: 12, startFactor: 0.2, endFactor: 0.9 }),
  warmUp: warmUp(multiStep({ milestones: [8, 16] }), { steps: 5 }),
  sequential: sequential(linear({ steps: 5, startFactor: 0.01 }), 5, cosine({ steps: 25 })),
  perEpoch: perEpoch((epoch) => 0.5 ** epoch, 7),
};

describe("schedules against torch's", () => {
  it('has all cases of the file', () => {
    assert.deepEqual(Object.keys(CASES), Object.keys(FIXTURE.schedules));
  });

  for (const [name, schedule] of Object.entries(CASES)) {
    it(name, () => {
      const expected = FIXTURE.schedules[name] ?? assert.fail();
      assert.equal(expected.length, 30);
      expected.forEach((wanted, step) => {
        const found = schedule(step);
        // torch multiplies its way from step to step.
        assert.ok(Math.abs(found - wanted) <= 1e-12, `step ${step}: ${found}, torch has ${wanted}`);
      });
    });
  }

  it('stay at their end', () => {
    assert.equal(cosine({ steps: 10, minFactor: 0.2 })(500), 0.2);
    assert.equal(linear({ steps: 10, endFactor: 0.5 })(500), 0.5);
  });

  it('are refused where something is wrong', () => {
    const code = 'ERR_OPTION_VALUE';
    assert.throws(() => multiStep({ milestones: [5, 3] }), { code, message: /ascending/ });
    assert.throws(() => multiStep({ milestones: [5.5] }), { code, message: /milestones/ });
    assert.throws(() => cosine({ steps: 0 }), { code, message: /steps.*at least 1/ });
    assert.throws(() => linear({ steps: 5, startFactor: 0 }), { code, message: /above 0/ });
    assert.throws(() => warmUp(constant(), { steps: -1 }), { code, message: /warmUp.*steps/ });
    const misspelt = { step: 5, steps: 5 };
    assert.throws(() => cosine(misspelt), { code: 'ERR_OPTION_UNKNOWN', message: /step/ });
  });
});
