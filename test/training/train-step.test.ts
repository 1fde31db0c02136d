import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { Detector, setThreads, sgd, Tensor } from '../../lib';
import type { TrainingSample } from '../../lib';
import { pixels, tinyDetector, tinySpec } from '../detector/helpers';

const NAMES = ['loss_classifier', 'loss_box_reg', 'loss_objectness', 'loss_rpn_box_reg'];

const image = pixels(120, 90);
const sample: TrainingSample = {
  image,
  boxes: [
    [10, 12, 70, 60],
    [40, 20, 110, 85],
  ],
  labels: [1, 2],
};

/** Every number of the state: a model's own tensors change under one's hands. */
async function snapshot(detector: Detector): Promise<Record<string, number[]>> {
  const state = await detector.stateDict();
  return Object.fromEntries(
    Object.entries(state).map(([name, { data }]) => [name, Array.from(data, Number)]),
  );
}

function changed(
  before: Record<string, number[]>,
  after: Record<string, number[]>,
): readonly string[] {
  return Object.keys(after).filter((name) =>
    after[name]?.some((value, i) => value !== before[name]?.[i]),
  );
}

describe('trainStep', function () {
  before(() => {
    setThreads(1);
  });
  after(() => {
    setThreads(availableParallelism());
  });

  it('makes a step, and predict() then uses the new weights', async () => {
    await using detector = await tinyDetector({ boxScoreThresh: 0 });
    const optimizer = await detector.optimizer(sgd({ lr: 0.05, momentum: 0.9 }));
    const options = { scoreThreshold: 0 };
    const [first] = await detector.predict([image], options);
    const before = await snapshot(detector);
    const { losses, total, gradNorm, stepped } = await detector.trainStep([sample], { optimizer });
    assert.deepEqual(Object.keys(losses), NAMES);
    const sum = Object.values(losses).reduce((a, b) => a + b, 0);
    assert.ok(Math.abs(sum - total) < 1e-5 * total, `${sum} is not ${total}`);
    assert.ok(gradNorm !== null && gradNorm > 0 && stepped);
    assert.ok(changed(before, await snapshot(detector)).length > 50);
    const [fused] = await detector.predict([image], options);
    const [exact] = await detector.predict([image], { ...options, exact: true });
    assert.ok(first && fused && exact);
    assert.notDeepEqual([...fused.scores], [...first.scores]);
    const largest = Math.max(
      ...Array.from(fused.scores, (score, i) => Math.abs(score - (exact.scores[i] ?? NaN))),
    );
    assert.ok(largest < 1e-3, `fused and exact scores differ by ${largest}`);
  });

  it('learns one image by heart', async () => {
    await using detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 0.1, momentum: 0.9 }));
    const totals: number[] = [];
    for (let i = 0; i < 60; i++) {
      const options = i === 0 ? { optimizer, seed: 1 } : { optimizer };
      totals.push((await detector.trainStep([sample], options)).total);
    }
    const mean = (list: readonly number[]) => list.reduce((a, b) => a + b) / list.length;
    const [first, last] = [mean(totals.slice(0, 5)), mean(totals.slice(-10))];
    assert.ok(last < 0.8 * first, `from ${first} to ${last}`);
  });

  it('a seed gives the same losses; without one, drawing goes on', async () => {
    await using detector = await tinyDetector({ minSize: [64, 80, 96, 112] });
    const first = await detector.losses([sample, sample], { seed: 5 });
    const next = await detector.losses([sample, sample]);
    assert.deepEqual(await detector.losses([sample, sample], { seed: 5 }), first);
    assert.deepEqual(await detector.losses([sample, sample]), next);
    assert.notDeepEqual(next, first);
  });

  it('losses() changes nothing, running statistics included', async () => {
    await using detector = await tinyDetector();
    const before = await snapshot(detector);
    await detector.losses([sample]);
    assert.deepEqual(changed(before, await snapshot(detector)), []);
  });

  it('accumulated gradients of two halves are those of one whole', async () => {
    const gradients = async (parts: number) => {
      await using detector = await tinyDetector();
      const state = await snapshot(detector);
      const weights = Object.entries(await detector.stateDict()).map(([name, { shape }], n) => {
        const data = Float32Array.from(
          state[name] ?? [],
          (_, i) => 0.05 * Math.sin(i + n) + (name.includes('running_var') ? 1 : 0),
        );
        return [name, Tensor.from(data, shape)] as const;
      });
      const kept = weights.filter(([name]) => !name.endsWith('num_batches_tracked'));
      const counts = Object.entries(await detector.stateDict()).filter(([name]) =>
        name.endsWith('num_batches_tracked'),
      );
      await detector.loadStateDict(Object.fromEntries([...kept, ...counts]));
      const optimizer = await detector.optimizer(sgd({ lr: 1e-3, momentum: 0.9 }));
      for (let i = 1; i <= parts; i++) {
        const accumulate = i < parts;
        const options = { optimizer, accumulate, lossScale: 1 / parts, seed: 3 };
        const result = await detector.trainStep([sample], options);
        assert.equal(result.stepped, !accumulate);
        assert.equal(result.gradNorm === null, accumulate);
      }
      const name = 'state.roi_heads.box_predictor.cls_score.weight.momentum_buffer';
      return Array.from((await optimizer.stateDict())[name]?.data ?? [], Number);
    };
    const [one, two] = [await gradients(1), await gradients(2)];
    const scale = Math.max(...one.map(Math.abs));
    assert.ok(scale > 0 && one.length === two.length);
    one.forEach((value, i) => {
      assert.ok(Math.abs(value - (two[i] ?? NaN)) < 1e-5 * scale);
    });
  });

  it('leaves frozen parameters as they are, and BatchNorm among them goes on measuring', async () => {
    await using detector = await tinyDetector();
    await detector.freeze('backbone');
    const optimizer = await detector.optimizer(sgd({ lr: 0.05, weightDecay: 0.1 }));
    const before = await snapshot(detector);
    await detector.trainStep([sample], { optimizer });
    const moved = changed(before, await snapshot(detector));
    assert.deepEqual(
      moved.filter((name) => name.startsWith('backbone') && !/running_|num_batches/.test(name)),
      [],
    );
    assert.ok(moved.some((name) => /^backbone.*running_mean$/.test(name)));
    assert.ok(moved.includes('rpn.head.cls_logits.weight'));
  });

  it('a region proposal head of several convolutions trains too', async () => {
    await using detector = await tinyDetector({ rpnHead: { convDepth: 2 } });
    const optimizer = await detector.optimizer(sgd({ lr: 0.05 }));
    const before = await snapshot(detector);
    await detector.trainStep([sample], { optimizer });
    const moved = changed(before, await snapshot(detector));
    const head = Object.keys(before).filter((name) => name.startsWith('rpn.head.'));
    assert.equal(head.length, 8);
    assert.deepEqual(
      head.filter((name) => !moved.includes(name)),
      [],
    );
  });

  it('images without objects train too', async () => {
    await using detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const empty = { image, boxes: [], labels: [] };
    const { losses } = await detector.trainStep([empty], { optimizer });
    assert.equal(losses.loss_box_reg, 0);
    assert.equal(losses.loss_rpn_box_reg, 0);
    assert.ok((losses.loss_objectness ?? 0) > 0 && (losses.loss_classifier ?? 0) > 0);
  });

  it('takes all forms of boxes and labels alike', async () => {
    await using detector = await tinyDetector();
    const expected = await detector.losses([sample], { seed: 1 });
    const boxes = Float32Array.from((sample.boxes as number[][]).flat());
    for (const labels of [Int32Array.of(1, 2), BigInt64Array.of(1n, 2n)]) {
      assert.deepEqual(await detector.losses([{ image, boxes, labels }], { seed: 1 }), expected);
    }
  });

  it('does not grow over steps', async () => {
    await using detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 1e-4, momentum: 0.9 }));
    const steps = async (count: number) => {
      for (let i = 0; i < count; i++) await detector.trainStep([sample], { optimizer });
      return process.memoryUsage().rss / 2 ** 20;
    };
    const settled = await steps(20);
    const grown = (await steps(40)) - settled;
    // The gradients and activations of one step alone are over 10 MiB.
    assert.ok(grown < 40, `${grown.toFixed(1)} MiB more after 40 steps`);
  });

  it('a detector trained here is saved and loaded with its weights', async () => {
    await using detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 0.05 }));
    await detector.trainStep([sample], { optimizer });
    await using other = await Detector.create(tinySpec(), { device: 'cpu' });
    await other.loadStateDict(await detector.stateDict());
    assert.deepEqual(changed(await snapshot(detector), await snapshot(other)), []);
  });
});
