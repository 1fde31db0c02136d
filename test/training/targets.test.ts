import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { setThreads, sgd, Tensor, keypointRcnn, maskRcnn, mobileNet, Detector } from '../../lib';
import type { TrainingSample } from '../../lib';
import { pixels, tinyDetector } from '../detector/helpers';

const image = pixels(60, 40);
const good = { image, boxes: [[5, 5, 30, 30]], labels: [1] };

const TINY = {
  numClasses: 3,
  minSize: 64,
  maxSize: 96,
  rpnAnchorGenerator: { sizes: [[16, 32]] },
  boxHead: { kind: 'twoMlp', representationSize: 16 },
} as const;

/** Batch, and what the message must say. */
const BAD: Readonly<Record<string, readonly [Record<string, unknown>, RegExp]>> = {
  'a box without height': [
    { boxes: [...good.boxes, [5, 9, 20, 9]], labels: [1, 1] },
    /^box 1 of image 0 is \[5, 9, 20, 9\]; all boxes must be finite, with x2 > x1 and y2 > y1/,
  ],
  'a box of NaN': [{ boxes: [[5, NaN, 20, 9]] }, /^box 0 of image 0 is \[5, nan, 20, 9\]/],
  'a box of infinity': [{ boxes: [[5, 5, Infinity, 9]] }, /^box 0 of image 0 is \[5, 5, inf, 9\]/],
  'the background as a label': [
    { labels: [0] },
    /^box 0 of image 0 has label 0; this model's labels are 1 to 2$/,
  ],
  'a label too high': [
    { labels: [3] },
    /^box 0 of image 0 has label 3; this model's labels are 1 to 2$/,
  ],
  'a label that is no integer': [
    { labels: [1.5] },
    /^batch\[0\]: the label of box 0 must be an integer, got 1.5\.$/,
  ],
  'labels of another count': [
    { labels: [1, 2] },
    /^batch\[0\]: there must be a label for each box, got 2 for 1 boxes\.$/,
  ],
  'labels that are a string': [{ labels: '1' }, /^batch\[0\]: labels must be a list of integers/],
  'boxes of three numbers': [
    { boxes: [[1, 2, 3]] },
    /^batch\[0\]: box 0 must be \[x1, y1, x2, y2\], got \[1,2,3\]\.$/,
  ],
  'a box with null, as JSON has for NaN': [
    { boxes: [[1, null, 20, 20]] },
    /^batch\[0\]: box 0 must be \[x1, y1, x2, y2\], got \[1,null,20,20\]\.$/,
  ],
  'flat boxes of six numbers': [
    { boxes: new Float32Array(6) },
    /^batch\[0\]: boxes must hold 4 numbers per box, got 6 numbers\.$/,
  ],
  'boxes that are an object': [
    { boxes: {} },
    /^batch\[0\]: boxes must be a Float32Array or a list/,
  ],
  'labelled classes that are no list': [
    { labelledClasses: 1 },
    /^batch\[0\]: labelledClasses must be a list of labels, got 1\.$/,
  ],
  'labelled classes the model has not': [
    { labelledClasses: [1, 7] },
    /^the labelled classes of image 0 name label 7; this model's labels are 1 to 2$/,
  ],
};

describe('targets that will not do', () => {
  let detector: Detector;
  before(async () => {
    setThreads(1);
    detector = await tinyDetector();
  });
  after(async () => {
    setThreads(availableParallelism());
    await detector.dispose();
  });

  for (const [what, [changes, message]] of Object.entries(BAD)) {
    it(what, async () => {
      const batch = [{ ...good, ...changes } as TrainingSample];
      await assert.rejects(detector.losses(batch), { code: 'ERR_TARGET', message });
    });
  }

  it('messages say which image of the batch, by its name where it has one', async () => {
    const batch = [good, { ...good, boxes: [[5, 5, 4, 30]], name: 'b.jpg' }];
    await assert.rejects(detector.losses(batch), {
      code: 'ERR_TARGET',
      message:
        /^box 0 of image 1 is \[5, 5, 4, 30\].*Images of the batch: 0: batch\[0\], 1: b\.jpg\.$/,
    });
    const named = [{ ...good, labels: [], name: 'a.jpg' }];
    await assert.rejects(detector.losses(named), { message: /^a\.jpg: there must be a label/ });
  });

  it('a step with one leaves weights as they are, and the next one works', async () => {
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const weights = async () =>
      (await detector.stateDict())['rpn.head.conv.0.0.weight']?.data.slice();
    const before = await weights();
    const bad = { ...good, labels: [9] };
    await assert.rejects(detector.trainStep([bad], { optimizer }), { code: 'ERR_TARGET' });
    assert.deepEqual(await weights(), before);
    assert.ok((await detector.trainStep([good], { optimizer })).stepped);
  });

  it('losses that are not finite make no step and name the images', async () => {
    await using broken = await tinyDetector();
    const optimizer = await broken.optimizer(sgd({ lr: 0.01 }));
    const state = await broken.stateDict();
    const name = 'roi_heads.box_predictor.cls_score.bias';
    await broken.loadStateDict({ ...state, [name]: Tensor.from(Float32Array.of(NaN, 0, 0), [3]) });
    const before = state['roi_heads.box_head.fc6.weight']?.data.slice();
    await assert.rejects(broken.trainStep([{ ...good, name: 'a.jpg' }], { optimizer }), {
      code: 'ERR_LOSS_NOT_FINITE',
      message:
        /^Losses are not finite, so no step was made: loss_classifier is nan, .*Images of the batch: 0: a\.jpg\.$/,
    });
    const after = (await broken.stateDict())['roi_heads.box_head.fc6.weight']?.data;
    assert.deepEqual(after, before);
    assert.ok(Number.isNaN((await broken.losses([good])).loss_classifier));
  });

  it('options that will not do', async () => {
    const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
    const cases: [Record<string, unknown>, string, RegExp][] = [
      [{}, 'ERR_OPTION_VALUE', /optimizer/],
      [{ optimizer, clipNorm: 0 }, 'ERR_OPTION_VALUE', /clipNorm.*positive/],
      [{ optimizer, clipValue: -1 }, 'ERR_OPTION_VALUE', /clipValue.*positive/],
      [{ optimizer, lossScale: NaN }, 'ERR_OPTION_VALUE', /lossScale.*positive/],
      [{ optimizer, seed: 1.5 }, 'ERR_OPTION_VALUE', /seed.*integer/],
      [{ optimizer, amp: 'half' }, 'ERR_OPTION_VALUE', /amp.*off, bfloat16, float16/],
      [{ optimizer, clip: 1 }, 'ERR_OPTION_UNKNOWN', /clip/],
    ];
    for (const [options, code, message] of cases) {
      const step = detector.trainStep([good], options as { optimizer: typeof optimizer });
      await assert.rejects(step, { code, message });
    }
    for (const batch of [[], undefined, good]) {
      await assert.rejects(detector.losses(batch as TrainingSample[]), {
        code: 'ERR_INVALID_ARGUMENT',
        message: 'losses: pass an array of at least one { image, boxes, labels }.',
      });
    }
    await using other = await tinyDetector();
    await assert.rejects(other.trainStep([good], { optimizer }), {
      code: 'ERR_INVALID_ARGUMENT',
      message: "the optimizer is another detector's",
    });
  });
});

/** Masks that no TypeScript would pass. */
const wrong = (masks: unknown) => ({ masks }) as Partial<TrainingSample>;

describe('targets of masks and keypoints that will not do', () => {
  before(() => {
    setThreads(1);
  });
  after(() => {
    setThreads(availableParallelism());
  });

  it('masks', async () => {
    const spec = maskRcnn({
      backbone: mobileNet('mobilenet_v3_small'),
      maskHead: { layers: [8] },
      maskPredictor: { dimReduced: 8 },
      ...TINY,
    });
    await using detector = await Detector.create(spec, { device: 'cpu' });
    const masks = new Uint8Array(60 * 40).fill(1);
    assert.ok('loss_mask' in (await detector.losses([{ ...good, masks }])));
    const rle = { size: [40, 60] as const, counts: [60 * 30, 60 * 10] };
    assert.ok('loss_mask' in (await detector.losses([{ ...good, masks: [rle] }])));
    const cases: [Partial<TrainingSample>, RegExp][] = [
      [{}, /^the model has a mask branch, but the target of image 0 has no masks$/],
      [{ masks: masks.subarray(1) }, /masks must hold boxes x height x width = 1 x 40 x 60 = 2400/],
      [{ masks: [] }, /there must be a mask for each box, got 0 for 1 boxes/],
      [{ masks: [{ size: [4, 6], counts: [24] }] }, /mask 0 is 4 x 6 pixels, the image 40 x 60/],
      [{ masks: new Uint8Array(60 * 40).fill(255) }, /the masks of image 0 hold 255; .* 0 or 1$/],
      [{ masks: [{ size: [40, 60], counts: [7] }] }, /mask 0: rle: /],
      [wrong([[5, 5, 40, 5, 40, 40]]), /mask 0 must be .* polygons are not taken/],
      [wrong([null]), /mask 0 must be/],
      [wrong([{ size: [40, 60] }]), /mask 0 must be/],
      [wrong('x'), /masks must be bytes, or a list/],
    ];
    for (const [changes, message] of cases) {
      const losses = detector.losses([{ ...good, ...changes }]);
      await assert.rejects(losses, { code: 'ERR_TARGET', message });
    }
    const empty = { image: good.image, boxes: [], labels: [] };
    assert.equal((await detector.losses([empty])).loss_mask, 0);
  });

  it('keypoints', async () => {
    const spec = keypointRcnn({
      backbone: mobileNet('mobilenet_v3_small'),
      numKeypoints: 4,
      keypointHead: { layers: [8] },
      ...TINY,
    });
    await using detector = await Detector.create(spec, { device: 'cpu' });
    const keypoints = Float32Array.of(6, 6, 1, 20, 20, 1, 29, 29, 2, 0, 0, 0);
    const { loss_keypoint: loss } = await detector.losses([{ ...good, keypoints }]);
    assert.ok(loss !== undefined && loss > 0);
    const cases: [Float32Array | undefined, RegExp][] = [
      [undefined, /^the model has a keypoint branch, but the target of image 0 has no keypoints$/],
      [keypoints.subarray(1), /keypoints must hold x, y and visibility of as many points/],
      [keypoints.subarray(3), /^the objects of image 0 have 3 keypoints each; this model finds 4$/],
    ];
    for (const [given, message] of cases) {
      const losses = detector.losses([{ ...good, ...(given && { keypoints: given }) }]);
      await assert.rejects(losses, { code: 'ERR_TARGET', message });
    }
    // Nothing visible: nothing to learn from.
    const hidden = await detector.losses([{ ...good, keypoints: new Float32Array(12) }]);
    assert.equal(hidden.loss_keypoint, 0);
  });
});
