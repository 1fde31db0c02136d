import assert from 'node:assert/strict';
import { buildModel } from '../../lib';
import type { DetectorFacts } from '../../lib/detection/description';
import {
  completeSchedule,
  defaultAugmentation,
  defaultRate,
  emaDecay,
  scheduleOf,
} from '../../lib/training/recipe';

const length = { epochs: 12, stepsPerEpoch: 50, steps: 600 };
const near = (value: number, expected: number) => {
  assert.ok(Math.abs(value - expected) < 1e-12, `${value} is not ${expected}`);
};

describe('recipe of a run', () => {
  it('warms up over an epoch and falls as half a cosine', () => {
    const options = completeSchedule({}, length);
    assert.deepEqual(options, { kind: 'cosine', milestones: [8, 11], gamma: 0.1, warmupSteps: 50 });
    const schedule = scheduleOf(options, length);
    near(schedule(0), 0.001);
    near(schedule(300), 0.5);
    near(schedule(600), 0);
    near(schedule(25), 0.5005 * ((1 + Math.cos((Math.PI * 25) / 600)) / 2));
  });

  it('falls at milestones, counted in epochs', () => {
    const options = completeSchedule({ kind: 'multiStep', warmupSteps: 0 }, length);
    const schedule = scheduleOf(options, length);
    const epochs = [0, 7, 8, 10, 11].map((epoch) => schedule(50 * epoch));
    [1, 1, 0.1, 0.1, 0.01].forEach((expected, i) => {
      near(epochs[i] ?? 0, expected);
    });
  });

  it('stays, where asked to, and warms up for half of a short run at most', () => {
    const short = { epochs: 1, stepsPerEpoch: 7, steps: 7 };
    const options = completeSchedule({ kind: 'constant' }, short);
    assert.equal(options.warmupSteps, 3);
    near(scheduleOf(options, short)(3), 1);
    assert.equal(
      completeSchedule({}, { ...length, stepsPerEpoch: 5000, steps: 60_000 }).warmupSteps,
      1000,
    );
  });

  it("has torchvision's rates and presets for each family", () => {
    const factsOf = (name: string): DetectorFacts => ({ ...buildModel(name), frozen: [] });
    const expected = [
      ['fasterrcnn_resnet50_fpn', 0.01, 'hflip'],
      ['retinanet_resnet50_fpn', 0.0025, 'hflip'],
      ['ssd300_vgg16', 0.00025, 'ssd'],
      ['ssdlite320_mobilenet_v3_large', 0.003125, 'ssdlite'],
    ] as const;
    for (const [name, rate, preset] of expected) {
      near(defaultRate(factsOf(name), 4), rate);
      assert.equal(defaultAugmentation(factsOf(name)), preset);
    }
    assert.equal(defaultRate(factsOf('fasterrcnn_resnet50_fpn'), 64), 0.02);
  });

  it('averages over a tenth of the run, unless a decay is given', () => {
    assert.equal(emaDecay(false, 600), undefined);
    near(emaDecay(true, 1000) ?? 0, 0.99);
    assert.equal(emaDecay(true, 10), 0.9);
    assert.equal(emaDecay(true, 1e6), 0.9998);
    assert.equal(emaDecay(0.95, 600), 0.95);
    assert.throws(() => emaDecay(1, 600), { code: 'ERR_OPTION_VALUE' });
  });

  it('refuses what it does not know', () => {
    assert.throws(() => completeSchedule({ steps: 3 } as object, length), {
      code: 'ERR_OPTION_UNKNOWN',
    });
    assert.throws(() => completeSchedule({ gamma: 0 }, length), { code: 'ERR_OPTION_VALUE' });
  });
});
