import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { Detector, setThreads, sgd } from '../../lib';
import { pixels, tinyDetector } from '../detector/helpers';

const image = pixels(120, 90);
const sample = { image, boxes: [[10, 12, 70, 60]], labels: [1] };

describe('calls of trainStep', () => {
  before(() => {
    setThreads(1);
  });
  after(() => {
    setThreads(availableParallelism());
  });

  it('reject with the reason of a signal, before and during the work; the next step works', async () => {
    await using detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const reason = new Error('enough');
    const aborted = detector.trainStep([sample], { optimizer, signal: AbortSignal.abort(reason) });
    await assert.rejects(aborted, reason);
    const controller = new AbortController();
    const running = Array.from({ length: 5 }, () =>
      detector.trainStep([sample, sample], { optimizer, signal: controller.signal }),
    );
    setTimeout(() => {
      controller.abort(reason);
    }, 20);
    for (const result of await Promise.allSettled(running)) {
      assert.ok(result.status === 'fulfilled' || result.reason === reason);
    }
    assert.equal((await Promise.allSettled(running)).at(-1)?.status, 'rejected');
    assert.ok((await detector.trainStep([sample], { optimizer })).stepped);
  });

  it('under way are finished before dispose() resolves; later ones are refused', async () => {
    const detector = await tinyDetector();
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const running = detector.trainStep([sample], { optimizer });
    await detector.dispose();
    assert.ok((await running).stepped);
    const refused = { code: 'ERR_DISPOSED' };
    await assert.rejects(detector.trainStep([sample], { optimizer }), refused);
    await assert.rejects(detector.losses([sample]), refused);
    optimizer.dispose();
  });

  it('mix with predict() in the order they were made', async () => {
    await using detector = await tinyDetector({ boxScoreThresh: 0 });
    const optimizer = await detector.optimizer(sgd({ lr: 0.05 }));
    const predict = () => detector.predict([image], { scoreThreshold: 0, exact: true });
    const [[before], step, [after], [again]] = await Promise.all([
      predict(),
      detector.trainStep([sample], { optimizer }),
      predict(),
      predict(),
    ]);
    assert.ok(before && after && again && step.stepped);
    assert.notDeepEqual([...after.scores], [...before.scores]);
    assert.deepEqual([...again.scores], [...after.scores]);
  });

  it('are refused for an archive that runs through its own forward', async () => {
    const path = join(__dirname, '..', 'fixtures', 'archives', 'fcos-own.pt');
    await using detector = await Detector.load(path, { device: 'cpu' });
    await assert.rejects(detector.losses([sample]), {
      code: 'ERR_ARCHIVE_UNSUPPORTED',
      message: /runs through its archive's own forward/,
    });
  });
});
