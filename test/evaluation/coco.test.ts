// COCO's figures against pycocotools (test/oracle/evaluation.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { CocoEvaluator } from '../../lib';
import type { Detections, GroundTruth } from '../../lib';
import { assertAsExpected, assertFigures, evaluatorOf } from './cases';
import type { EvaluationCase, Expected } from './cases';

interface GoldenCase extends EvaluationCase {
  readonly name: string;
  readonly expected: Expected;
}

const CASES = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/evaluation/cases.json'), 'utf8'),
) as readonly GoldenCase[];

const CATEGORIES = [
  { label: 1, name: 'cat' },
  { label: 2, name: 'dog' },
];
const NOTHING = { boxes: [], labels: [], scores: [] };
/** Precision is never quite 1: pycocotools adds the smallest number there is to what it divides by. */
const assertOne = (value: number | undefined) => {
  assert.ok(Math.abs((value ?? NaN) - 1) < 1e-12, String(value));
};
const square = (x: number, y: number, side = 40) => [x, y, x + side, y + side];

/** The boxes' figures of single images. */
async function evaluate(...images: readonly [GroundTruth, Detections][]) {
  const evaluator = new CocoEvaluator({ categories: CATEGORIES });
  for (const [id, [truth, detections]] of images.entries()) evaluator.add(id, truth, detections);
  const { bbox } = await evaluator.summarize();
  assert.ok(bbox);
  return bbox;
}

describe('CocoEvaluator', () => {
  for (const golden of CASES) {
    it(`${golden.name}: as pycocotools`, async () => {
      const { kind, expected } = golden;
      const evaluation = await evaluatorOf(golden).summarize();
      assert.equal(evaluation.images, golden.images.length);
      const found = evaluation[kind];
      assert.ok(found);
      assert.equal(found.kind, kind);
      assertAsExpected(found, expected);
    });
  }

  it('does not depend on the order in which images are added', async () => {
    const golden = CASES.find(({ name }) => name.includes('equal'));
    assert.ok(golden);
    const images = [...golden.images].reverse();
    const { bbox } = await evaluatorOf({ ...golden, images }).summarize();
    assert.ok(bbox);
    assertFigures(bbox.figures, golden.expected.figures, 'reversed');
  });

  it('takes float32 boxes and the arrays of a data set', async () => {
    const truth = {
      boxes: Float64Array.from([...square(10, 10), ...square(100, 50)]),
      labels: Int32Array.of(1, 2),
      areas: Float64Array.of(1600, 1600),
      crowd: Uint8Array.of(0, 0),
      difficult: Uint8Array.of(0, 0),
    };
    const bbox = await evaluate([
      truth,
      {
        boxes: Float32Array.from([...square(10, 10), ...square(100, 50)]),
        labels: Int32Array.of(1, 2),
        scores: Float32Array.of(0.9, 0.8),
      },
    ]);
    assertOne(bbox.figures.ap);
    assert.equal(bbox.figures.arMedium, 1);
    assert.equal(bbox.figures.apSmall, -1);
    assert.deepEqual(
      bbox.classes.map(({ label, name, objects, detections }) => ({
        label,
        name,
        objects,
        detections,
      })),
      [
        { label: 1, name: 'cat', objects: 1, detections: 1 },
        { label: 2, name: 'dog', objects: 1, detections: 1 },
      ],
    );
  });

  it('ignores what an image does not mark, and counts it where it matches', async () => {
    const truth = { boxes: square(0, 0), labels: [1] };
    const stray = {
      boxes: [...square(0, 0), ...square(200, 200)],
      labels: [1, 1],
      scores: [0.5, 0.9],
    };
    const strict = await evaluate([truth, stray]);
    assert.ok(Math.abs(strict.figures.ap50 - 0.5) < 1e-9);
    for (const labelledClasses of [[], [2]]) {
      const lenient = await evaluate([{ ...truth, labelledClasses }, stray]);
      assertOne(lenient.figures.ap50);
    }
    const marked = await evaluate([{ ...truth, labelledClasses: [1] }, stray]);
    assert.equal(marked.figures.ap50, strict.figures.ap50);
  });

  it('leaves out detections of other labels', async () => {
    const bbox = await evaluate([
      { boxes: square(0, 0), labels: [1] },
      { boxes: [...square(0, 0), ...square(9, 9)], labels: [7, 1], scores: [0.9, 0.8] },
    ]);
    assert.equal(bbox.classes[0]?.detections, 1);
    assert.equal(bbox.classes[1]?.ap, -1);
  });

  it('gives -1 throughout where nothing is marked', async () => {
    const bbox = await evaluate([{ boxes: [], labels: [] }, NOTHING]);
    assert.deepEqual(new Set(Object.values(bbox.figures)), new Set([-1]));
    assert.deepEqual(new Set(bbox.curve(1).precision), new Set([-1]));
    const none = await new CocoEvaluator({ categories: [] }).summarize();
    assert.equal(none.bbox?.figures.ap, -1);
    assert.equal(none.images, 0);
  });

  it('evaluates several kinds of the same images', async () => {
    const [masks] = CASES.filter(({ kind }) => kind === 'segm');
    assert.ok(masks);
    const evaluator = new CocoEvaluator({
      categories: ['__background__', 'cat', 'dog'],
      kinds: ['segm', 'bbox'],
    });
    for (const { id, truth, detections } of masks.images) evaluator.add(id, truth, detections);
    const { bbox, segm, keypoints } = await evaluator.summarize();
    assert.ok(bbox && segm);
    assert.equal(keypoints, undefined);
    assertFigures(segm.figures, masks.expected.figures, 'segm');
    assert.notEqual(bbox.figures.ap, segm.figures.ap);
    assert.deepEqual(evaluator.categories, CATEGORIES);
  });

  it('takes runs as numbers, and objects without a mask need not be found', async () => {
    const evaluator = new CocoEvaluator({ categories: CATEGORIES, kinds: ['segm'] });
    const mask = { size: [4, 4] as const, counts: [4, 8, 4] };
    evaluator.add(
      1,
      { boxes: [1, 0, 3, 4, 0, 0, 1, 4], labels: [1, 1], masks: [mask, undefined] },
      { boxes: [1, 0, 3, 4], labels: [1], scores: [1], masks: [mask] },
    );
    const { segm } = await evaluator.summarize();
    assertOne(segm?.figures.ap);
    assert.equal(segm?.classes[0]?.objects, 1);
  });

  it('reports progress and can be aborted', async () => {
    const [boxes] = CASES;
    assert.ok(boxes);
    const evaluator = evaluatorOf(boxes);
    const steps: { kind: string; done: number; total: number }[] = [];
    await evaluator.summarize({ onProgress: (step) => steps.push(step) });
    const last = steps.at(-1);
    assert.ok(last && last.total > 36, JSON.stringify(last));
    assert.deepEqual(last, { kind: 'bbox', done: last.total, total: last.total });
    const reason = new Error('enough');
    await assert.rejects(evaluator.summarize({ signal: AbortSignal.abort(reason) }), reason);
  });
});
