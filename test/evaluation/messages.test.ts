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
    ['no categories', { categories: undefined }, 'ERR_OPTION_VALUE', '"categories"', 'a list'],
    ['a number for a class', { categories: [1] }, 'ERR_OPTION_VALUE', '"categories"', '[1]'],
    ['a kind that is no list', { kinds: 'bbox' }, 'ERR_OPTION_VALUE', '"kinds"', 'a list'],
    ['a sigma that is no list', { keypointSigmas: 1 }, 'ERR_OPTION_VALUE', '"keypointSigmas"'],
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

  it('no options', () => {
    const none = undefined as unknown as CocoEvaluatorOptions;
    assert.throws(() => new CocoEvaluator(none), is('ERR_INVALID_ARGUMENT', 'got undefined'));
    const empty = {} as CocoEvaluatorOptions;
    assert.throws(() => new CocoEvaluator(empty), is('ERR_OPTION_VALUE', '"categories"'));
  });

  const { boxes, labels } = FOUND;
  const GIVEN: [string, readonly unknown[], string[]][] = [
    ['no image id', [], ["the image's id", 'got undefined']],
    ['no ground truth', [1], ['groundTruth must be an object with boxes, labels']],
    ['ground truth without labels', [1, { boxes }, FOUND], ['groundTruth.labels', 'undefined']],
    ['ground truth without boxes', [1, { labels }, FOUND], ['groundTruth.boxes', 'undefined']],
    ['a class for a list', [1, { ...TRUTH, labelledClasses: 1 }, FOUND], ['labelledClasses']],
    ['no detections', [1, TRUTH], ['detections must be an object with boxes, labels, scores']],
    [
      'detections without scores',
      [1, TRUTH, { boxes, labels }],
      ['detections.scores', 'undefined'],
    ],
    [
      'detections without boxes',
      [1, TRUTH, { labels, scores: [1] }],
      ['detections.boxes', 'undefined'],
    ],
    ['polygons', [1, { ...TRUTH, masks: [[[0, 0, 1, 1]]] }, FOUND], ['masks[0]', 'size', 'a list']],
  ];
  for (const [name, given, parts] of GIVEN) {
    it(name, () => {
      const evaluator = new CocoEvaluator({ categories: CATEGORIES });
      const add = () => {
        evaluator.add(...(given as Parameters<CocoEvaluator['add']>));
      };
      assert.throws(add, is('ERR_INVALID_ARGUMENT', 'CocoEvaluator.add', ...parts));
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
    const signal = new AbortController() as unknown as AbortSignal;
    for (const call of [evaluator.summarize({ signal }), evaluator.confusion({ signal })]) {
      await assert.rejects(call, is('ERR_OPTION_VALUE', '"signal" must be an AbortSignal'));
    }
    const onProgress = 1 as unknown as () => void;
    await assert.rejects(
      evaluator.summarize({ onProgress }),
      is('ERR_OPTION_VALUE', '"onProgress" must be a function'),
    );
    await assert.rejects(
      evaluator.confusion({ iouThreshold: 0 }),
      is('ERR_OPTION_VALUE', '"iouThreshold"', 'got 0'),
    );
  });
});
