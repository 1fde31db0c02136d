import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { type Detector, setThreads, sgd, Tensor } from '../../lib';
import type { TrainingSample } from '../../lib';
import { pixels, tinyDetector } from '../detector/helpers';

const image = pixels(120, 90);
const empty: TrainingSample = { image, boxes: [], labels: [] };
const object: TrainingSample = { image, boxes: [[10, 12, 70, 60]], labels: [1] };
const SCORES = 'roi_heads.box_predictor.cls_score.bias';
const ANCHORS = 'rpn.head.cls_logits.bias';

describe('R-CNNs and images in which not all classes are marked', () => {
  let detector: Detector;
  before(() => {
    setThreads(1);
  });
  beforeEach(async () => {
    detector = await tinyDetector();
  });
  afterEach(() => detector.dispose());
  after(() => {
    setThreads(availableParallelism());
  });

  /** Losses of a seeded step, and the gradient of one of the parameters. */
  async function train(sample: TrainingSample, name = SCORES) {
    const optimizer = await detector.optimizer(sgd({ lr: 1e-12, momentum: 0.9 }));
    const { losses } = await detector.trainStep([sample], { optimizer, seed: 1 });
    const state = await optimizer.stateDict();
    const gradient = state[`state.${name}.momentum_buffer`] ?? assert.fail(`no ${name}`);
    return { losses, gradient: Array.from(gradient.data, Number) };
  }

  async function setBias(name: string, value: number): Promise<void> {
    const state = await detector.stateDict();
    const { shape, data } = state[name] ?? assert.fail(`no ${name}`);
    const bias = Tensor.from(new Float32Array(data.length).fill(value), shape);
    await detector.loadStateDict({ ...state, [name]: bias });
  }

  it('all classes named is none named', async () => {
    const plain = await detector.losses([object], { seed: 1 });
    const named = { ...object, labelledClasses: [2, 1] };
    assert.deepEqual(await detector.losses([named], { seed: 1 }), plain);
  });

  it('background is no negative example of a class that is not marked', async () => {
    const all = await train(empty);
    const some = await train({ ...empty, labelledClasses: [1] });
    const [background = NaN, marked = NaN, other = NaN] = some.gradient;
    assert.ok(background < 0 && marked > 0, some.gradient.join(', '));
    assert.equal(other, 0);
    assert.ok((all.gradient[2] ?? NaN) > 0, 'where all are marked it is');
  });

  it('an object is a negative example of every other class', async () => {
    const { gradient } = await train({ ...object, labelledClasses: [] });
    const [background = NaN, own = NaN, other = NaN] = gradient;
    assert.ok(own < 0 && background > 0 && other > 0, gradient.join(', '));
  });

  it('where nothing is marked and there is no box, nothing is learned', async () => {
    const { losses, gradient } = await train({ ...empty, labelledClasses: [] });
    assert.deepEqual(Object.values(losses), [0, 0, 0, 0]);
    assert.deepEqual(gradient, [0, 0, 0]);
  });

  it('where nothing is marked, anchors without a box are no negatives', async () => {
    await setBias(ANCHORS, -5);
    // Only objects are left, which such logits all deny.
    const { losses } = await train({ ...object, labelledClasses: [] }, ANCHORS);
    const all = await train(object, ANCHORS);
    const [few = NaN, many = NaN] = [losses.loss_objectness, all.losses.loss_objectness];
    assert.ok(few > 4 && many < 0.5 * few, `${few}, and ${many} with all anchors`);
  });

  it('an anchor that the network takes for an object may be of a class that is not marked', async () => {
    const some = { ...empty, labelledClasses: [1] };
    await setBias(ANCHORS, 5);
    assert.equal((await train(some, ANCHORS)).losses.loss_objectness, 0);
    assert.ok(((await train(empty, ANCHORS)).losses.loss_objectness ?? NaN) > 4);
    await setBias(ANCHORS, -5);
    const [left, all] = [await train(some, ANCHORS), await train(empty, ANCHORS)];
    assert.equal(left.losses.loss_objectness, all.losses.loss_objectness);
  });

  it('concerns its own image of the batch alone', async () => {
    const plain = await detector.losses([object, empty], { seed: 1 });
    const marked = await detector.losses([object, { ...empty, labelledClasses: [1] }], { seed: 1 });
    // Half of the RoIs lose one of three classes in their softmax: less is lost, but not all.
    const [before = NaN, after = NaN] = [plain.loss_classifier, marked.loss_classifier];
    assert.ok(after < before && after > 0.5 * before, `${before}, then ${after}`);
  });
});
