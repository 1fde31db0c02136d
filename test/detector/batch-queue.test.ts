// Which waiting images go together, with a device that the test lets go on; then with a real one.
import assert from 'node:assert/strict';
import type { CancelToken, NativeDetections, NativeImage } from '../../binding';
import { Detector, fasterRcnn, resnetFpn } from '../../lib';
import { BatchQueue, type DetectOptions } from '../../lib/detection/batch-queue';
import { picture } from './helpers';

const OPTIONS: DetectOptions = { scoreThreshold: 0, exact: false, padded: false };

interface Given {
  readonly names: string;
  readonly cancelled: boolean;
  readonly finish: () => Promise<void>;
  readonly fail: (error: Error) => Promise<void>;
}

/** A queue whose device works on a batch until the test says that it is done. An image is its shape and its name, as `a1`. */
function queueOf({ most = 4, shared = true } = {}) {
  const given: Given[] = [];
  const queue = new BatchQueue({
    detect: (images, _, token) =>
      new Promise((resolve, reject) => {
        const names = images as unknown as readonly string[];
        const settled = () => new Promise<void>((done) => setImmediate(done));
        given.push({
          names: names.join(' '),
          get cancelled() {
            return (token as CancelToken & { readonly cancelled?: true }).cancelled === true;
          },
          finish: () => {
            resolve(names.map((name) => name.toUpperCase()) as unknown as NativeDetections[]);
            return settled();
          },
          fail: (error) => {
            reject(error);
            return settled();
          },
        });
      }),
    cancelToken: () => ({
      cancel(this: { cancelled?: true }) {
        this.cancelled = true;
      },
    }),
    place: (image) => ({ shape: (image as unknown as string).slice(0, 1), most }),
    shared,
  });
  const detect = async (
    names: string,
    options: Partial<DetectOptions> = {},
    signal?: AbortSignal,
  ) => {
    const images = names.split(' ') as unknown as NativeImage[];
    const found = await queue.detect(images, { ...OPTIONS, ...options }, signal);
    return (found as unknown as readonly string[]).join(' ');
  };
  /** Batches given to the device until nothing waits, each finished before the next is looked at. */
  const drain = async () => {
    const seen: string[] = [];
    // Grows meanwhile.
    for (const batch of given) {
      seen.push(batch.names);
      await batch.finish();
    }
    return seen;
  };
  return { given, detect, drain };
}

describe('the queue of images', () => {
  it('takes those of one call together by shape, and gives results in their order', async () => {
    const { detect, drain } = queueOf({ shared: false });
    const call = detect('a1 b1 a2 b2 a3 a4 a5');
    assert.deepEqual(await drain(), ['a1 a2 a3 a4', 'b1 b2', 'a5']);
    assert.equal(await call, 'A1 B1 A2 B2 A3 A4 A5');
  });

  it('gives the device two batches, and lets what comes meanwhile go together', async () => {
    const { given, detect, drain } = queueOf();
    const calls = ['a1', 'a2', 'a3', 'b1', 'a4 b2', 'a5', 'a6', 'a7'].map((name) => detect(name));
    assert.deepEqual(
      given.map(({ names }) => names),
      ['a1', 'a2'],
    );
    assert.deepEqual(await drain(), ['a1', 'a2', 'a3 a4 a5 a6', 'b1 b2', 'a7']);
    assert.deepEqual(await Promise.all(calls), ['A1', 'A2', 'A3', 'B1', 'A4 B2', 'A5', 'A6', 'A7']);
  });

  it('keeps calls apart that are exact, padded, of another threshold, or not to be shared', async () => {
    const run = async (shared: boolean, options: Partial<DetectOptions>) => {
      const { detect, drain } = queueOf({ shared });
      const first = [detect('a1'), detect('a2')];
      const calls = [...first, detect('a3 b1', options), detect('a4', options), detect('a5')];
      const batches = await drain();
      await Promise.all(calls);
      return batches.slice(2);
    };
    assert.deepEqual(await run(true, {}), ['a3 a4 a5', 'b1']);
    assert.deepEqual(await run(true, { exact: true }), ['a3', 'a4', 'a5', 'b1']);
    assert.deepEqual(await run(true, { padded: true }), ['a3 b1', 'a4', 'a5']);
    assert.deepEqual(await run(true, { scoreThreshold: 0.5 }), ['a3 a4', 'a5', 'b1']);
    assert.deepEqual(await run(false, {}), ['a3', 'a4', 'a5', 'b1']);
  });

  it('lets other calls in between those of many images', async () => {
    const { detect, drain } = queueOf({ most: 1, shared: false });
    const calls = [detect('a1 a2 a3 a4 a5'), detect('b1 b2'), detect('c1')];
    assert.deepEqual(await drain(), ['a1', 'a2', 'a3', 'b1', 'c1', 'a4', 'b2', 'a5']);
    assert.deepEqual(await Promise.all(calls), ['A1 A2 A3 A4 A5', 'B1 B2', 'C1']);
  });

  it('tries calls again by themselves where their batch failed', async () => {
    const { given, detect } = queueOf();
    const calls = ['a1', 'a2', 'a3 a4', 'a5'].map((names) => detect(names));
    await given[0]?.finish();
    assert.equal(given[2]?.names, 'a3 a4 a5');
    await given[2].fail(new Error('out of memory'));
    await given[1]?.finish();
    assert.deepEqual(
      given.slice(3).map(({ names }) => names),
      ['a3 a4', 'a5'],
    );
    const failed = assert.rejects(calls[2] ?? assert.fail(), { message: 'a3 is at fault' });
    await given[3]?.fail(new Error('a3 is at fault'));
    await given[4]?.finish();
    await failed;
    assert.equal(await calls[3], 'A5');
    assert.equal(given.length, 5);
  });

  it('rejects a call of several batches once, when the last of them has ended', async () => {
    const { given, detect } = queueOf();
    let settled = false;
    const call = detect('a1 b1 c1').finally(() => (settled = true));
    const failed = assert.rejects(call, { message: 'no' });
    await given[0]?.fail(new Error('no'));
    assert.equal(settled, false);
    await given[1]?.finish();
    await failed;
    assert.equal(given.length, 2);
  });

  it('drops what an aborted call has waiting, and stops a batch that nobody else wants', async () => {
    const { given, detect, drain } = queueOf();
    const alone = new AbortController();
    const beside = new AbortController();
    const calls = [
      detect('a1', {}, alone.signal),
      detect('b1'),
      detect('c1', {}, beside.signal),
      detect('c2 d1'),
      detect('e1', {}, beside.signal),
    ];
    await given[1]?.finish();
    assert.equal(given[2]?.names, 'c1 c2');
    beside.abort();
    assert.equal(given[2].cancelled, false);
    alone.abort();
    assert.equal(given[0]?.cancelled, true);
    assert.deepEqual(await drain(), ['a1', 'b1', 'c1 c2', 'd1']);
    assert.equal(await calls[3], 'C2 D1');
    await Promise.all(calls);
  });

  it('detects nothing for a call that was aborted before, or has no images', async () => {
    const { given, detect } = queueOf();
    assert.equal(await detect('a1', {}, AbortSignal.abort()), '');
    assert.equal(given.length, 0);
  });
});

describe('calls at the same time', () => {
  const model = fasterRcnn({
    backbone: resnetFpn('resnet18'),
    numClasses: 3,
    ...{ minSize: 96, maxSize: 160, boxScoreThresh: 0 },
  });

  it('have the detections they have one after the other, share they batches or not', async () => {
    const photos = Array.from({ length: 9 }, (_, i) => picture(i % 2 ? 90 : 60, 60, i));
    for (const shareBatches of [true, false]) {
      await using detector = await Detector.create(model, {
        ...{ seed: 3, shareBatches, device: 'cpu' },
        cudaGraphs: true, // of no effect here
      });
      const together = await Promise.all(photos.map((photo) => detector.predict([photo])));
      for (const [i, photo] of photos.entries()) {
        const [alone] = await detector.predict([photo]);
        const found = together[i]?.[0];
        assert.ok(alone && found && alone.length > 0);
        assert.equal(found.length, alone.length);
        const apart = alone.boxes.map((value, k) => Math.abs(value - (found.boxes[k] ?? Infinity)));
        assert.ok(Math.max(...apart) < (shareBatches ? 1e-2 : 1e-9), `image ${i}`);
      }
    }
  });

  it('reject each with its own reason, and leave the others alone', async () => {
    await using detector = await Detector.create(model, { shareBatches: true, device: 'cpu' });
    const photo = picture(60, 60, 1);
    const gone = new AbortController();
    const calls = Array.from({ length: 6 }, (_, i) =>
      detector.predict([photo], i === 4 ? { signal: gone.signal } : {}),
    );
    const rejected = assert.rejects(calls[4] ?? assert.fail(), { message: 'not wanted' });
    setImmediate(() => {
      gone.abort(new Error('not wanted'));
    });
    await rejected;
    const others = await Promise.all(calls.filter((_, i) => i !== 4));
    assert.deepEqual(
      others.map(([result]) => result?.length),
      others.map(() => others[0]?.[0]?.length),
    );
  });
});
