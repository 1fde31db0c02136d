import assert from 'node:assert/strict';
import { CocoEvaluator } from '../../lib';
import type { CocoEvaluatorOptions, Detections, GroundTruth } from '../../lib';
import { TorchdetError } from '../../lib/errors';

const CATEGORIES = [{ label: 1, name: 'cat' }];
const TRUTH = { boxes: [0, 0, 9, 9], labels: [1] };
const FOUND = { boxes: [0, 0, 9, 9], labels: [1], scores: [0.5] };
const MASK = { size: [2, 2] as const, counts: [1, 3] };

function is(code: string, ...parts: readonly string[]) {
  return (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code);
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  };
}

describe('CocoEvaluator: bad input', () => {
  const OPTIONS: [string, object, string, ...string[]][] = [
    ['an unknown option', { kind: 'bbox' }, 'ERR_OPTION_UNKNOWN', '"kind"', '"kinds"'],
    ['an unknown kind', { kinds: ['box'] }, 'ERR_OPTION_VALUE', '"kinds"', '["box"]'],
    ['no kind', { kinds: [] }, 'ERR_OPTION_VALUE', '"kinds"'],
    ['a label twice', { categories: [...CATEGORIES, ...CATEGORIES] }, 'ERR_OPTION_VALUE', 'got 1'],
    ['a sigma of 0', { keypointSigmas: [0.1, 0] }, 'ERR_OPTION_VALUE', '"keypointSigmas"'],
  ];
  for (const [name, options, code, ...parts] of OPTIONS) {
    it(name, () => {
      const all = { categories: CATEGORIES, ...options } as CocoEvaluatorOptions;
      assert.throws(() => new CocoEvaluator(all), is(code, ...parts));
    });
  }

  const IMAGES: [string, GroundTruth, Detections, string[], CocoEvaluatorOptions['kinds']?][] = [
    ['a label of ground truth that is no category', { ...TRUTH, labels: [2] }, FOUND, ['[0] is 2']],
    [
      'too few numbers for the boxes',
      TRUTH,
      { ...FOUND, boxes: [0, 0, 1] },
      ['detections.boxes', '4 numbers for each of the 1 labels, got 3'],
    ],
    ['areas that do not fit', { ...TRUTH, areas: [1, 2] }, FOUND, ['groundTruth.areas', 'got 2']],
    ['a box of NaN', TRUTH, { ...FOUND, boxes: [0, 0, NaN, 9] }, ['box 0 is [0, 0, NaN, 9]']],
    ['a score of NaN', TRUTH, { ...FOUND, scores: [NaN] }, ['scores[0]', 'NaN']],
    ['no masks', TRUTH, FOUND, ['"segm"', 'groundTruth.masks'], ['segm']],
    ['no masks found', { ...TRUTH, masks: [MASK] }, FOUND, ['detections.masks[0]'], ['segm']],
    [
      'masks of two sizes',
      { ...TRUTH, masks: [MASK] },
      { ...FOUND, masks: [{ size: [2, 3], counts: [6] }] },
      ['detections.masks[0] is of size [2, 3]', '[2, 2]'],
      ['segm'],
    ],
    ['no keypoints', TRUTH, FOUND, ['"keypoints"', 'groundTruth.keypoints'], ['keypoints']],
    [
      'another number of keypoints',
      { ...TRUTH, keypoints: [1, 2, 3] },
      FOUND,
      ['groundTruth.keypoints', '51 numbers for each of the 1 labels, got 3'],
      ['keypoints'],
    ],
  ];
  for (const [name, truth, detections, parts, kinds] of IMAGES) {
    it(name, () => {
      const evaluator = new CocoEvaluator({ categories: CATEGORIES, ...(kinds && { kinds }) });
      const add = () => {
        evaluator.add('street.jpg', truth, detections);
      };
      assert.throws(add, is('ERR_INVALID_ARGUMENT', 'image "street.jpg"', ...parts));
      assert.equal(evaluator.length, 0);
    });
  }

  it('an image twice', () => {
    const evaluator = new CocoEvaluator({ categories: CATEGORIES });
    evaluator.add(7, TRUTH, FOUND);
    assert.throws(
      () => {
        evaluator.add(7, TRUTH, FOUND);
      },
      is('ERR_INVALID_ARGUMENT', 'image 7', 'added before'),
    );
  });

  it('calls of the results', async () => {
    const evaluator = new CocoEvaluator({ categories: CATEGORIES });
    evaluator.add(7, TRUTH, FOUND);
    const { bbox } = await evaluator.summarize();
    assert.throws(() => bbox?.curve(4), is('ERR_INVALID_ARGUMENT', '4 is no label', 'they are 1'));
    assert.throws(() => bbox?.curve(1, 0.52), is('ERR_INVALID_ARGUMENT', 'got 0.52'));
    const confusion = await evaluator.confusion();
    assert.throws(() => confusion.count(1, 4), is('ERR_INVALID_ARGUMENT', '4 is no label'));
    await assert.rejects(
      evaluator.confusion({ kind: 'segm' }),
      is('ERR_OPTION_VALUE', '"kind"', '["bbox"]'),
    );
    await assert.rejects(
      evaluator.confusion({ iouThreshold: 0 }),
      is('ERR_OPTION_VALUE', '"iouThreshold"', 'got 0'),
    );
  });
});
