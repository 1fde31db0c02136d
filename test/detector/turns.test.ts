// Calls that look at the weights and calls that change them, made without waiting for each other.
import assert from 'node:assert/strict';
import { getEventListeners } from 'node:events';
import { type Detector, sgd } from '../../lib';
import { onAbort, PendingCalls } from '../../lib/detection/calls';
import { pixels, tinyDetector } from './helpers';

/** More batches than the device is given at a time: most of them wait in JavaScript when the next call comes. */
const MANY = Array.from({ length: 20 }, (_, i) => pixels(160 + i, 120));

async function scoresOf(found: ReturnType<Detector['predict']>): Promise<number[][]> {
  return (await found).map(({ scores }) => Array.from(scores));
}

/** A call that ends when it is told to. */
function held(calls: string[], name: string) {
  let end!: () => void;
  const wait = new Promise<void>((resolve) => {
    end = resolve;
  });
  const call = () => {
    calls.push(name);
    return wait;
  };
  return { call, end };
}
const settled = () => new Promise<void>((done) => setImmediate(done));

describe('turns of calls', () => {
  it('are beside each other for those that look, one after the other for those that change', async () => {
    const pending = new PendingCalls();
    const begun: string[] = [];
    const [a, b, c, d, e] = ['a', 'b', 'c', 'd', 'e'].map((name) => held(begun, name));
    assert.ok(a && b && c && d && e);
    const all = [
      pending.run(a.call),
      pending.run(b.call),
      pending.change(c.call),
      pending.change(d.call),
      pending.run(e.call),
    ];
    await settled();
    assert.equal(begun.join(''), 'ab');
    a.end();
    await settled();
    assert.equal(begun.join(''), 'ab');
    for (const [{ end }, then] of [
      [b, 'abc'],
      [c, 'abcd'],
      [d, 'abcde'],
    ] as const) {
      end();
      await settled();
      assert.equal(begun.join(''), then);
    }
    e.end();
    await Promise.all(all);
  });

  it('go on after a call that failed, and let others prepare before theirs', async () => {
    const pending = new PendingCalls();
    const seen: string[] = [];
    const failed = pending.change(() => Promise.reject(new Error('no')));
    const after = pending.runWithTurn(async (turn) => {
      seen.push('prepared');
      await turn;
      seen.push('looked');
    });
    assert.deepEqual(seen, ['prepared']);
    await assert.rejects(failed, /no/);
    await after;
    assert.deepEqual(seen, ['prepared', 'looked']);
  });

  it('are waited for by close(), those that wait too', async () => {
    const pending = new PendingCalls();
    const begun: string[] = [];
    const { call, end } = held(begun, 'a');
    const all = [pending.run(call), pending.change(() => Promise.resolve(begun.push('b')))];
    const closed = pending.close();
    await assert.rejects(pending.run(call), { code: 'ERR_DISPOSED' });
    end();
    assert.equal(await closed, true);
    assert.equal(begun.join(''), 'ab');
    await Promise.all(all);
  });

  it('give all images of a predict() the weights of its call', async () => {
    await using detector = await tinyDetector();
    await using other = await tinyDetector();
    const image = pixels(160, 120);
    const state = await other.stateDict();
    for (const tensor of Object.values(state)) {
      const values = tensor.data;
      if (values instanceof Float32Array) values.forEach((x, i) => (values[i] = x * 1.25));
    }
    const before = await scoresOf(detector.predict(MANY));
    const [changed] = await scoresOf(other.predict([image]));
    assert.notDeepEqual(before[0], changed);
    const first = scoresOf(detector.predict(MANY));
    const loaded = detector.loadStateDict(state);
    const second = scoresOf(detector.predict([image]));
    const saved = detector.stateDict();
    assert.deepEqual(await first, before);
    await loaded;
    assert.deepEqual((await second)[0], changed);
    const name = 'roi_heads.box_predictor.cls_score.bias';
    assert.deepEqual((await saved)[name]?.data, state[name]?.data);
  });

  it('keep steps of training out of a predict()', async () => {
    await using detector = await tinyDetector();
    const image = pixels(160, 120);
    using optimizer = await detector.optimizer(sgd({ lr: 0.05 }));
    const before = await scoresOf(detector.predict(MANY));
    const first = scoresOf(detector.predict(MANY));
    const batch = [{ image, boxes: [[10, 10, 90, 80]] as const, labels: [1] }];
    const step = detector.trainStep(batch, { optimizer });
    const second = scoresOf(detector.predict([image]));
    assert.deepEqual(await first, before);
    await step;
    assert.notDeepEqual((await second)[0], before[0]);
  });

  it('give all images the precision of the call', async function () {
    await using detector = await tinyDetector();
    const image = pixels(160, 120);
    const before = await scoresOf(detector.predict(MANY));
    const first = scoresOf(detector.predict(MANY));
    const changed = detector.setPrecision('bfloat16').catch((error: unknown) => {
      if ((error as { code?: string }).code === 'ERR_PRECISION') this.skip();
      throw error;
    });
    assert.deepEqual(await first, before);
    await changed;
    assert.notDeepEqual((await scoresOf(detector.predict([image])))[0], before[0]);
  });
});

describe('onAbort', () => {
  it('adds one listener to a signal, however many calls have it, and takes it away', async () => {
    await using detector = await tinyDetector();
    const controller = new AbortController();
    const { signal } = controller;
    const calls = Array.from({ length: 20 }, () => detector.predict([pixels(64, 64)], { signal }));
    assert.equal(getEventListeners(signal, 'abort').length, 1);
    await Promise.all(calls);
    assert.equal(getEventListeners(signal, 'abort').length, 0);
  });

  it('tells all that listen, but those that left', () => {
    const controller = new AbortController();
    const told: string[] = [];
    const tell = () => told.push('same');
    onAbort(controller.signal, tell);
    const leave = onAbort(controller.signal, tell);
    onAbort(controller.signal, () => told.push('other'));
    leave();
    leave();
    controller.abort();
    assert.deepEqual(told, ['same', 'other']);
  });
});
