import assert from 'node:assert/strict';
import type { DefaultBoxConfig, DenseConfig } from '../../binding';
import { Detector, Tensor } from '../../lib';
import { pixels, tinyDetector } from './helpers';
import { CLASSES, findOn, mapsOf, plainDetector, plainSpec } from './plain-dense';

const sigmoid = (x: number) => 1 / (1 + Math.exp(-x));
const near = (actual: number | undefined, expected: number, tolerance = 1e-6) => {
  assert.ok(
    Math.abs((actual ?? NaN) - expected) <= tolerance,
    `${actual} is not within ${tolerance} of ${expected}`,
  );
};
const nearAll = (actual: readonly number[] = [], expected: readonly number[], tolerance = 1e-4) => {
  assert.equal(actual.length, expected.length);
  expected.forEach((value, i) => {
    near(actual[i], value, tolerance);
  });
};

/** One square anchor of a stride's side per cell, on the cell's corner as torchvision's are. */
const ANCHORS = { sizes: [[8], [16]], aspectRatios: [[1], [1]] };
const RETINANET: Partial<DenseConfig> = { head: 'retinanet', anchors: ANCHORS };
const FCOS: Partial<DenseConfig> = { head: 'fcos', anchors: ANCHORS };
const ORIGINAL: Partial<DenseConfig> = { head: 'fcosOriginal', pointStrides: [8, 16] };
const BOXES: DefaultBoxConfig = {
  ...{ aspectRatios: [[], []], scales: [0.5, 0.5, 0.5] },
  ...{ steps: null, clip: true },
};

describe('RetinaNet’s selection', () => {
  it('decodes, clips and orders what scores strictly above the threshold', async () => {
    await using detector = await plainDetector({ ...RETINANET, scoreThresh: 0.5 });
    const found = await findOn(detector, [
      { y: 1, x: 1, logits: { 2: 1, 1: 0 }, deltas: [0.5, -0.25, Math.log(2), 0] },
      { level: 1, y: 0, x: 0, logits: { 0: 2 } },
    ]);
    // A logit of 0 scores exactly 0.5: not above. Class 0 is a class like any other.
    assert.deepEqual(found.labels, [0, 2]);
    nearAll(found.scores, [sigmoid(2), sigmoid(1)], 1e-6);
    nearAll(found.boxes[0], [0, 0, 8, 8]);
    nearAll(found.boxes[1], [4, 2, 16, 10]);
  });

  it('keeps the best of each level, then the best of the image', async () => {
    const places = [
      { y: 0, x: 0, logits: { 0: 1 } },
      { y: 1, x: 1, logits: { 0: 3, 1: 2 } },
      { level: 1, y: 0, x: 0, logits: { 2: 0 } },
    ];
    const labelsWith = async (config: Partial<DenseConfig>) => {
      await using detector = await plainDetector({ ...RETINANET, ...config });
      return (await findOn(detector, places)).labels;
    };
    assert.deepEqual(await labelsWith({}), [0, 1, 0, 2]);
    assert.deepEqual(await labelsWith({ topkCandidates: 2 }), [0, 1, 2]);
    assert.deepEqual(await labelsWith({ topkCandidates: 1 }), [0, 2]);
    assert.deepEqual(await labelsWith({ detectionsPerImg: 3 }), [0, 1, 0]);
  });

  it('suppresses within a class only', async () => {
    await using detector = await plainDetector(RETINANET);
    const move = [1, 0, 0, 0] as const; // onto the next anchor
    const found = await findOn(detector, [
      { y: 1, x: 0, logits: { 1: 2, 2: 1 }, deltas: move },
      { y: 1, x: 1, logits: { 1: 3 } },
    ]);
    assert.deepEqual(found.labels, [1, 2]);
    nearAll(found.scores, [sigmoid(3), sigmoid(1)], 1e-6);
  });

  it('finds nothing where nothing scores', async () => {
    await using detector = await plainDetector(RETINANET);
    const size = [16, 16] as const;
    const { detections } = await detector.stages.head(mapsOf([]), [size], size);
    assert.deepEqual(detections[0]?.boxes.shape, [0, 4]);
    assert.deepEqual(detections[0].labels.shape, [0]);
    assert.deepEqual(detections[0].scores.shape, [0]);
  });
});

describe('FCOS’s selection', () => {
  const place = { y: 0, x: 1, logits: { 1: 2 }, deltas: [0.5, 0.25, 1, 2] as const };

  it('thresholds the root of class and centerness, on anchors’ centres', async () => {
    await using detector = await plainDetector(FCOS);
    const found = await findOn(detector, [{ ...place, ctrness: 0 }]);
    assert.deepEqual(found.labels, [1]);
    near(found.scores[0], Math.sqrt(sigmoid(2) * 0.5));
    // The centre of the anchor is the corner of the cell, (8, 0).
    nearAll(found.boxes[0], [4, 0, 16, 16]);
    // The root of 0.88 * 0.076 is 0.26.
    assert.deepEqual((await findOn(detector, [{ ...place, ctrness: -2.5 }])).labels, []);
  });

  it('of the original: thresholds the class alone, on points in the cells’ middles', async () => {
    await using detector = await plainDetector(ORIGINAL);
    const found = await findOn(detector, [{ ...place, ctrness: -2.5 }]);
    assert.deepEqual(found.labels, [2]);
    near(found.scores[0], Math.sqrt(sigmoid(2) * sigmoid(-2.5)));
    nearAll(found.boxes[0], [8, 2, 16, 16]);
    const faint = await findOn(detector, [{ ...place, logits: { 1: -1 }, ctrness: 10 }]);
    assert.deepEqual(faint.labels, [], 'a class score of 0.27 is below the threshold of 0.3');
  });

  it('of the original: has its points at half a stride, rounded down', async () => {
    await using detector = await plainDetector({ ...ORIGINAL, pointStrides: [8, 15] });
    const { anchors } = await detector.stages.head(mapsOf([]), [[16, 16]], [16, 16]);
    assert.deepEqual(anchors.shape, [5, 2]);
    assert.deepEqual([...(anchors.data as Float32Array)], [4, 4, 12, 4, 4, 12, 12, 12, 7, 7]);
  });

  it('says what is missing where a head has no centerness', async () => {
    const spec = plainSpec(FCOS);
    const [backbone, [, head] = []] = spec.module.children ?? [];
    assert.ok(backbone && head);
    const without = head.source.replace(/,\s*"bbox_ctrness": [^}]*/, '');
    assert.notEqual(without, head.source);
    const children = [backbone, ['head', { ...head, source: without }]] as const;
    await using detector = await Detector.create(
      { ...spec, module: { ...spec.module, children } },
      { device: 'cpu' },
    );
    await assert.rejects(findOn(detector, []), { message: /no bbox_ctrness/ });
  });
});

describe('SSD’s selection', () => {
  it('takes the best of each class but the background', async () => {
    // Two boxes per cell: the head has 5 cells of two, each half the image's side.
    await using detector = await plainDetector(
      {
        ...{ head: 'ssd', defaultBoxes: BOXES, bboxRegWeights: [10, 10, 5, 5] },
        ...{ scoreThresh: 0.2, topkCandidates: 2 },
      },
      2,
    );
    const row = (logits: readonly number[], dx = 0) => [...logits, dx, 0, 0, 0, 0];
    const background = row([5, 0, 0]);
    const rows = Array.from({ length: 10 }, () => background);
    rows[0] = row([0, 3, 0]);
    rows[2] = row([0, 4, 0], 10); // moved by one box's side
    rows[6] = row([0, 2, 1.9]);
    rows[8] = row([0, 0, 6]);
    const maps = [4, 1].map((cells, level) => {
      const side = Math.sqrt(cells);
      const part = rows.slice(level * 8, level * 8 + 2 * cells);
      // Channel by channel, cell by cell.
      const data = Float32Array.from({ length: 16 * cells }, (_, i) => {
        const [channel, cell] = [Math.floor(i / cells), i % cells];
        return part[2 * cell + Math.floor(channel / 8)]?.[channel % 8] ?? NaN;
      });
      return Tensor.from(data, [1, 16, side, side]);
    });
    const { detections, anchors } = await detector.stages.head(maps, [[16, 16]], [16, 16]);
    assert.deepEqual(anchors.shape, [10, 4]);
    const [found] = detections;
    const softmax = (logits: number[], i: number) =>
      Math.exp(logits[i] ?? NaN) / logits.reduce((sum, x) => sum + Math.exp(x), 0);
    assert.deepEqual([...(found?.labels.data as BigInt64Array)], [2n, 1n, 1n, 2n]);
    nearAll(
      [...(found?.scores.data as Float32Array)],
      [
        ...[softmax([0, 0, 6], 2), softmax([0, 4, 0], 1)],
        ...[softmax([0, 3, 0], 1), softmax([0, 2, 1.9], 2)],
      ],
      1e-6,
    );
    const boxes = [...(found?.boxes.data as Float32Array)];
    nearAll(boxes.slice(0, 8), [4, 4, 12, 12, 16, 0, 16, 8]);
  });
});

describe('default boxes', () => {
  // DefaultBoxGenerator([[2], [2, 3]], ...) of torchvision 0.26.0 on a batch of 36 x 52 with maps of 4 x 6 and 2 x 3.
  const CASES = [
    {
      config: { scales: [0.1, 0.35, 0.7], steps: null, clip: true },
      sum: 11695.452815175056,
      weighted: 3390388.6165403128,
      fifth: [8.135845184326172, 1.1325082778930664, 17.864154815673828, 7.867491722106934],
      last: [38.079444885253906, 16.08807945251465, 48.58721923828125, 37.911922454833984],
    },
    {
      config: { scales: [0.1, 0.9, 1.3], steps: [8, 15], clip: false },
      sum: 11431.215368509293,
      weighted: 2996696.66930151,
      fifth: [4.199999809265137, -1.4000002145767212, 19.80000114440918, 9.399999618530273],
      last: [23.99000358581543, -5.559223651885986, 51.00999450683594, 50.55922317504883],
    },
    {
      config: { scales: [0.1, 0.9, 1.3], steps: [8, 15], clip: true },
      sum: 11094.674636602402,
      weighted: 2996214.439045429,
      fifth: [4.199999809265137, -1.4000002145767212, 19.80000114440918, 9.399999618530273],
      last: [23.99000358581543, 4.5, 51.00999450683594, 40.5],
    },
  ];
  for (const { config, sum, weighted, fifth, last } of CASES) {
    it(`equal torchvision’s: ${JSON.stringify(config)}`, async () => {
      const defaultBoxes = { aspectRatios: [[2], [2, 3]], ...config };
      // 4 boxes per cell of the first level and 6 of the second: the plain head gives both as many rows as it has channels.
      await using detector = await plainDetector({ head: 'ssd', defaultBoxes });
      const maps = [
        Tensor.random('normal', [1, 4 * (CLASSES + 5), 4, 6], 1),
        Tensor.random('normal', [1, 6 * (CLASSES + 5), 2, 3], 2),
      ];
      const { anchors } = await detector.stages.head(maps, [[36, 52]], [36, 52]);
      assert.deepEqual(anchors.shape, [132, 4]);
      const boxes = [...(anchors.data as Float32Array)];
      assert.deepEqual(boxes.slice(20, 24), fifth);
      assert.deepEqual(boxes.slice(-4), last);
      near(
        boxes.reduce((total, value) => total + Math.abs(value), 0),
        sum,
        1e-6,
      );
      near(
        boxes.reduce((total, value, i) => total + value * i, 0),
        weighted,
        1e-4,
      );
    });
  }

  it('must be as many scales as levels, and one', async () => {
    const defaultBoxes = { ...BOXES, scales: [0.1, 0.2] };
    await assert.rejects(plainDetector({ head: 'ssd', defaultBoxes }), {
      message: /2 levels and 2 scales/,
    });
  });
});

describe('one-stage detectors', () => {
  it('find the same in an image alone and in a batch of the same padding', async () => {
    for (const exact of [true, false]) {
      await using detector = await plainDetector({ ...RETINANET, scoreThresh: 0.4 });
      const images = [pixels(64, 64), pixels(64, 40), pixels(50, 64)];
      const options = { scoreThreshold: 0, exact };
      const together = await detector.predict(images, options);
      for (const [i, image] of images.entries()) {
        const [alone] = await detector.predict([image], options);
        const found = together[i];
        assert.ok(found && alone && alone.length > 0, `image ${i} has detections`);
        assert.deepEqual(found.labels, alone.labels);
        nearAll([...found.boxes], [...alone.boxes], 1e-3);
        nearAll([...found.scores], [...alone.scores], 1e-5);
      }
    }
  });

  it('drop what scores below the caller’s threshold', async () => {
    await using detector = await plainDetector({ ...RETINANET, scoreThresh: 0 });
    const [all] = await detector.predict([pixels(64, 64)], { scoreThreshold: 0, exact: true });
    assert.ok(all && all.length > 10);
    const threshold = all.scores[9] ?? NaN;
    const [some] = await detector.predict([pixels(64, 64)], {
      scoreThreshold: threshold,
      exact: true,
    });
    assert.deepEqual(some?.scores, all.scores.slice(0, 10));
  });

  it('take an image of one pixel', async () => {
    await using detector = await plainDetector({ ...FCOS, scoreThresh: 0 });
    const [result] = await detector.predict([pixels(1, 1)], { scoreThreshold: 0 });
    assert.ok(result && result.length > 0);
    assert.ok(result.boxes.every((side) => side >= 0 && side <= 1));
  });

  it('say which output of the network is not finite', async () => {
    await using detector = await plainDetector(RETINANET);
    const huge = Tensor.from(new Float32Array(3 * 64 * 64).fill(3e38), [3, 64, 64]);
    await assert.rejects(detector.predict([huge], { exact: true }), {
      code: 'ERR_NOT_FINITE',
      message: /class logits: \d+ NaN/,
    });
    const found = findOn(detector, [{ y: 0, x: 0, logits: {}, deltas: [0, Infinity, 0, 0] }]);
    await assert.rejects(found, { message: /box regression: 1 NaN or infinite/ });
  });

  it('say how the head and the anchors disagree', async () => {
    await using detector = await plainDetector({
      ...RETINANET,
      anchors: { sizes: [[8], [16]], aspectRatios: [[1], [1, 2]] },
    });
    await assert.rejects(findOn(detector, []), {
      message: /\[1, 5, 3\]; wanted is 1 x 6/,
    });
    const [first] = mapsOf([]);
    assert.ok(first);
    await assert.rejects(detector.stages.head([first], [[16, 16]], [16, 16]), {
      message: /1 feature maps.*2 levels/,
    });
  });

  it('stop where they are cancelled', async () => {
    await using detector = await plainDetector(RETINANET);
    const [running, queued] = [new AbortController(), new AbortController()];
    const images = Array.from({ length: 32 }, () => pixels(64, 64));
    const settled = Promise.allSettled([
      detector.predict(images, { signal: running.signal }),
      detector.predict(images, { signal: queued.signal }),
      detector.predict([pixels(64, 64)]),
    ]);
    running.abort(new Error('running'));
    queued.abort(new Error('queued'));
    const [first, second, third] = await settled;
    assert.equal(first.status === 'rejected' && (first.reason as Error).message, 'running');
    assert.equal(second.status === 'rejected' && (second.reason as Error).message, 'queued');
    assert.equal(third.status, 'fulfilled');
  });

  it('have other stages than two-stage ones, and say so', async () => {
    await using dense = await plainDetector(RETINANET);
    await using rcnn = await tinyDetector();
    const unsupported = 'ERR_ARCHIVE_UNSUPPORTED';
    await assert.rejects(dense.stages.rpn(mapsOf([]), [[16, 16]], [16, 16]), {
      code: unsupported,
      message: /one-stage.*no stage rpn.*head/,
    });
    await assert.rejects(dense.stages.roiHeads({}, [], [[16, 16]], [16, 16]), {
      code: unsupported,
      message: /no stage roiHeads/,
    });
    await assert.rejects(rcnn.stages.head(mapsOf([]), [[16, 16]], [16, 16]), {
      code: unsupported,
      message: /two-stage.*no stage head/,
    });
  });
});

describe('the order of channels', () => {
  it('is the batch’s: blue first where the detector wants it, with mean and std in that order', async () => {
    const { transform } = plainSpec(RETINANET).config;
    const values = { imageMean: [0.1, 0.2, 0.3], imageStd: [0.5, 0.25, 0.125] };
    const side = 64;
    const colour = [51, 102, 255];
    const data = Uint8Array.from({ length: 3 * side * side }, (_, i) => colour[i % 3] ?? 0);
    const floats = Float32Array.from(
      { length: 3 * side * side },
      (_, i) => (colour[Math.floor(i / side ** 2)] ?? 0) / 255,
    );
    const images = [
      { data, width: side, height: side, channels: 3 as const },
      Tensor.from(floats, [3, side, side]),
    ];
    for (const channelOrder of ['rgb', 'bgr'] as const) {
      await using detector = await plainDetector({
        ...RETINANET,
        transform: { ...transform, ...values, channelOrder },
      });
      for (const image of images) {
        const { batch } = await detector.stages.transform([image]);
        const order = channelOrder === 'rgb' ? [0.2, 0.4, 1] : [1, 0.4, 0.2];
        const wanted = order.map(
          (value, c) => (value - (values.imageMean[c] ?? NaN)) / (values.imageStd[c] ?? NaN),
        );
        const flat = batch.data as Float32Array;
        nearAll(
          [0, 1, 2].map((c) => flat[c * side * side + 65] ?? NaN),
          wanted,
          1e-5,
        );
      }
    }
  });
});
