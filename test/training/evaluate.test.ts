import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CocoEvaluator, evaluateDetector, TorchdetError } from '../../lib';
import type { Dataset, Detector } from '../../lib';
import { evaluationDetails } from '../../lib/training/report/details';
import { writeSquares } from './made-data';
import { oneThread, openSquares, tinyDetector } from './trainer-helpers';

describe('evaluateDetector', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-evaluate-'));
  let detector: Detector;
  let data: Dataset;
  before(oneThread.begin);
  before(async () => {
    await writeSquares(folder, { train: 1, val: 4 });
    ({ val: data } = await openSquares(folder));
    detector = await tinyDetector(data.names);
  });
  after(oneThread.end);
  after(async () => {
    await detector.dispose();
    rmSync(folder, { recursive: true });
  });

  it('gives what the evaluator makes of the detections image by image', async () => {
    const progress: number[] = [];
    const onProgress = (done: number) => progress.push(done);
    const { evaluation, confusion, found } = await evaluateDetector(detector, data, {
      onProgress,
      scoreThreshold: 0.4,
    });
    const own = new CocoEvaluator({ categories: data.categories });
    for (let i = 0; i < data.length; i++) {
      const entry = data.entry(i);
      const [result] = await detector.predict([readFileSync(entry.image)]);
      assert.ok(result && result.length > 0);
      assert.deepEqual(found.get(i)?.boxes, result.boxes);
      own.add(entry.id, entry, result);
    }
    const { bbox } = await own.summarize();
    assert.deepEqual(evaluation.bbox?.figures, bbox?.figures);
    assert.deepEqual(evaluation.bbox?.classes, bbox?.classes);
    assert.deepEqual(confusion.matrix, (await own.confusion({ scoreThreshold: 0.4 })).matrix);
    assert.deepEqual(progress, [1, 2, 3, 4]);
  });

  it('takes some of the images', async () => {
    const { evaluation, found } = await evaluateDetector(detector, data, { indices: [2] });
    assert.equal(evaluation.images, 1);
    assert.deepEqual([...found.keys()], [2]);
  });

  it('becomes plain data with the worst images drawn', async () => {
    const evaluated = await evaluateDetector(detector, data, { scoreThreshold: 0 });
    const details = await evaluationDetails(evaluated, data, { worstImages: 2 });
    assert.equal(details.worst.length, 2);
    assert.ok(
      Buffer.from(details.worst[0]?.jpeg ?? '', 'base64')
        .subarray(0, 2)
        .equals(Buffer.from([0xff, 0xd8])),
    );
    assert.equal(details.kinds.bbox?.classes[0]?.precision.length, 101);
    assert.deepEqual(JSON.parse(JSON.stringify(details)), details);
  });

  it('can be aborted, and says what does not fit', async () => {
    await assert.rejects(evaluateDetector(detector, data, { signal: AbortSignal.abort() }), {
      name: 'AbortError',
    });
    await assert.rejects(evaluateDetector(detector, data, { scoreThreshold: 2 }), {
      code: 'ERR_OPTION_VALUE',
    });
    const wrong: readonly [readonly unknown[], RegExp][] = [
      [[], /the detector must be one of Detector\.create or Detector\.load, got undefined/],
      [[detector], /the second argument must be a data set.*got undefined/],
      [[detector, []], /must be a data set.*got a list/],
      [[detector, data, null], /options must be an object/],
      [[detector, data, { indices: 1 }], /"indices".*a list/],
      [[detector, data, { kinds: 'bbox' }], /"kinds".*a list/],
      [[detector, data, { signal: new AbortController() }], /"signal" must be an AbortSignal/],
      [[detector, data, { onProgress: true }], /"onProgress" must be a function/],
    ];
    for (const [given, message] of wrong) {
      const call = evaluateDetector(...(given as Parameters<typeof evaluateDetector>));
      await assert.rejects(call, (error) => {
        assert.ok(error instanceof TorchdetError, String(error));
        assert.match(error.message, message);
        return true;
      });
    }
    await using one = await tinyDetector(['__background__', 'red']);
    await assert.rejects(evaluateDetector(one, data), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /has 2 classes, the detector knows 1.*classes: detector\.categories/,
    });
  });
});
