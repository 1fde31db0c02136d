import assert from 'node:assert/strict';
import { join } from 'node:path';
import { availableParallelism } from 'node:os';
import { adamW, Detector, setThreads, sgd } from '../../lib';
import type { TrainingSample } from '../../lib';
import { pixels, TemporaryFolder, tinyDetector } from '../detector/helpers';

const sample: TrainingSample = {
  image: pixels(120, 90),
  boxes: [
    [10, 12, 70, 60],
    [40, 20, 110, 85],
  ],
  labels: [1, 2],
};

async function parametersOf(detector: Detector): Promise<Record<string, number[]>> {
  const state = await detector.stateDict();
  return Object.fromEntries(
    Object.entries(state)
      .filter(([name]) => !/running_|num_batches/.test(name))
      .map(([name, { data }]) => [name, Array.from(data, Number)]),
  );
}

describe("a detector's optimizer", () => {
  let detector: Detector;
  before(() => {
    setThreads(1);
  });
  after(() => {
    setThreads(availableParallelism());
  });
  beforeEach(async () => {
    detector = await tinyDetector();
  });
  afterEach(async () => {
    await detector.dispose();
  });

  it('has all parameters in one of its groups: backbone and heads, norms apart', async () => {
    const optimizer = await detector.optimizer(
      sgd({
        ...{ lr: 0.02, weightDecay: 1e-4, normWeightDecay: 0 },
        groups: [{ prefixes: 'backbone', lr: 0.002 }],
      }),
    );
    const { groups } = optimizer;
    assert.deepEqual(
      groups.map(({ lr, weightDecay }) => [lr, weightDecay]),
      [
        [0.002, 1e-4],
        [0.002, 0],
        [0.02, 1e-4],
      ],
    );
    const [weights, norms, heads] = groups.map(({ names }) => names);
    assert.ok(weights?.includes('backbone.body.0.0.weight') && norms && heads);
    assert.ok(norms.includes('backbone.body.0.1.bias'));
    assert.ok(heads.every((name) => name.startsWith('rpn.') || name.startsWith('roi_heads.')));
    assert.deepEqual(
      groups.flatMap(({ names }) => names).sort(),
      Object.keys(await parametersOf(detector)).sort(),
    );
  });

  it('moves each group at its own rate', async () => {
    const description = sgd({ lr: 0.01, groups: [{ prefixes: 'roi_heads', lr: 0 }] });
    const optimizer = await detector.optimizer(description);
    const before = await parametersOf(detector);
    await detector.trainStep([sample], { optimizer });
    const after = await parametersOf(detector);
    assert.deepEqual(
      after['roi_heads.box_predictor.cls_score.weight'],
      before['roi_heads.box_predictor.cls_score.weight'],
    );
    assert.notDeepEqual(after['rpn.head.cls_logits.weight'], before['rpn.head.cls_logits.weight']);
  });

  it('clips: the step is as long as the norm allows', async () => {
    const optimizer = await detector.optimizer(sgd({ lr: 1 }));
    const before = await parametersOf(detector);
    const { gradNorm } = await detector.trainStep([sample], { optimizer, clipNorm: 1e-3 });
    assert.ok(gradNorm !== null && gradNorm > 1e-3);
    let squares = 0;
    for (const [name, values] of Object.entries(await parametersOf(detector))) {
      values.forEach((value, i) => (squares += (value - (before[name]?.[i] ?? NaN)) ** 2));
    }
    // Weights of 1 round changes of a millionth.
    assert.ok(Math.abs(Math.sqrt(squares) - 1e-3) < 2e-5, `${Math.sqrt(squares)}`);
  });

  it('names a prefix that fits nothing, and what was meant', async () => {
    await assert.rejects(
      detector.optimizer(adamW({ lr: 1e-4, groups: [{ prefixes: 'backbon' }] })),
      {
        code: 'ERR_OPTION_VALUE',
        message: /no parameter's name begins with "backbon".*Did you mean "backbone"/,
      },
    );
  });

  it('in bfloat16: nearly the same losses, and float32 weights', async () => {
    const optimizer = await detector.optimizer(sgd({ lr: 1e-3 }));
    const exact = await detector.losses([sample], { seed: 3 });
    const mixed = await detector.trainStep([sample], { optimizer, seed: 3, amp: 'bfloat16' });
    assert.ok(mixed.stepped);
    for (const [name, value] of Object.entries(exact)) {
      const found = mixed.losses[name] ?? NaN;
      assert.notEqual(found, value, `${name} is exact`);
      assert.ok(
        Math.abs(found - value) < 0.05 * Math.max(value, 0.1),
        `${name}: ${found}, ${value}`,
      );
    }
    const state = await detector.stateDict();
    assert.ok(Object.values(state).every(({ dtype }) => dtype === 'float32' || dtype === 'int64'));
    assert.deepEqual(
      await detector.losses([sample], { seed: 3 }).then(Object.keys),
      Object.keys(exact),
    );
  });

  it('in float16: not on the CPU', async () => {
    const optimizer = await detector.optimizer(sgd({ lr: 1e-3 }));
    await assert.rejects(detector.trainStep([sample], { optimizer, amp: 'float16' }), {
      code: 'ERR_OPTION_VALUE',
      message: /"amp" must be bfloat16 or off on the CPU, got "float16"/,
    });
  });

  it('averages follow its steps, and detect in place of the weights', async () => {
    using ema = await detector.ema({ decay: 0.5 });
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    await ema.update();
    const first = await parametersOf(detector);
    await detector.trainStep([sample], { optimizer });
    await ema.update();
    const second = await parametersOf(detector);
    await ema.use(async () => {
      const average = await parametersOf(detector);
      const name = 'rpn.head.cls_logits.weight';
      average[name]?.forEach((value, i) => {
        const wanted = ((first[name]?.[i] ?? NaN) + (second[name]?.[i] ?? NaN)) / 2;
        assert.ok(Math.abs(value - wanted) < 1e-7);
      });
      const [result] = await detector.predict([pixels(120, 90)]);
      assert.ok(result);
    });
    assert.deepEqual(await parametersOf(detector), second);
  });
});

describe('freezing', () => {
  it('by prefix and back; a saved detector stays as frozen as it was', async () => {
    await using detector = await tinyDetector();
    const all = await detector.trainableParameters();
    await detector.freeze(['backbone.fpn', 'rpn']);
    const trainable = await detector.trainableParameters();
    assert.deepEqual(
      all.filter((name) => !trainable.includes(name)),
      all.filter((name) => /^(backbone\.fpn|rpn)\./.test(name)),
    );
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'frozen.pt');
    await detector.save(path);
    await using loaded = await Detector.load(path, { device: 'cpu' });
    assert.deepEqual(await loaded.trainableParameters(), trainable);
    await loaded.unfreeze(['rpn.', 'backbone.fpn']);
    assert.deepEqual(await loaded.trainableParameters(), all);
    // What the builder froze, too.
    assert.ok(!all.includes('backbone.body.0.0.weight'));
    await loaded.unfreeze('backbone.body.0');
    assert.ok((await loaded.trainableParameters()).includes('backbone.body.0.0.weight'));
  });

  it('is refused where a prefix fits no parameter, and changes nothing then', async () => {
    await using detector = await tinyDetector();
    const before = await detector.trainableParameters();
    await assert.rejects(detector.freeze(['rpn', 'roi_head']), {
      code: 'ERR_OPTION_VALUE',
      message: /freeze: no parameter's name begins with "roi_head".*"roi_heads"/,
    });
    await assert.rejects(detector.unfreeze('head'), {
      message: /unfreeze: .*They begin with backbone, rpn, roi_heads\./,
    });
    await assert.rejects(detector.freeze([7] as unknown as string[]), {
      code: 'ERR_OPTION_VALUE',
      message: /freeze.*beginnings of parameter names/,
    });
    assert.deepEqual(await detector.trainableParameters(), before);
  });
});
