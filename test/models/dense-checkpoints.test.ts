// Checkpoints of RetinaNet and FCOS: names of old, another number of classes.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Detector } from '../../lib';
import { bodyWithPyramid } from '../../lib/backbones/feature-pyramid';
import { resnetFpn } from '../../lib/backbones';
import type { Backbone } from '../../lib/backbones';
import { matchState } from '../../lib/checkpoints/match-state';
import { fcos, retinaNet } from '../../lib/models';
import type { DetectorSpec } from '../../lib/models';
import { batchNorm2d, convNormActivation, stateOf } from '../../lib/nn';
import { checkpointOf, modelOf } from '../checkpoints/fixtures';
import { imagesOf, matchDetections } from '../parity/detectors';
import { readGolden, whole } from '../parity/golden';

// Written by test/oracle/dense_checkpoints.py.
const FOLDER = join(__dirname, '..', 'fixtures', 'dense-checkpoints');
const FILE = join(FOLDER, 'retinanet-2020.pth');

/** `fpn_backbone` of test/oracle/archives.py: four convolutions, and a pyramid of 16 channels. */
function tinyBackbone(): Backbone {
  const channels = [3, 8, 8, 12, 16] as const;
  const children = [0, 1, 2, 3].map((i) => {
    const block = convNormActivation(channels[i] ?? 0, channels[i + 1] ?? 0, {
      stride: 2,
      norm: batchNorm2d,
    });
    return [`${i}`, block] as const;
  });
  const levels = [1, 2, 3].map((i) => ({
    child: `${i}`,
    channels: channels[i + 1] ?? 0,
    stride: 2 << i,
  }));
  const options = { outChannels: 16, extraBlocks: 'maxPool', norm: null } as const;
  return {
    name: 'tiny',
    ...bodyWithPyramid(children, levels, options),
    trainableGroups: [],
    frozen: [],
    description: { builder: 'custom', name: 'tiny', options: {} },
  };
}

const tinyRetinaNet = (numClasses: number): DetectorSpec =>
  retinaNet({
    backbone: tinyBackbone(),
    numClasses,
    minSize: 96,
    maxSize: 160,
    detectionsPerImg: 40,
    anchorGenerator: {
      sizes: [
        [12, 20],
        [24, 40],
        [48, 80],
        [96, 160],
      ],
    },
  });

const shapesOf = (spec: DetectorSpec): Record<string, number[]> =>
  Object.fromEntries([...stateOf(spec.module)].map(({ name, shape }) => [name, [...shape]]));

describe('checkpoints of RetinaNet and FCOS', () => {
  it('a RetinaNet file of 2020 loads strictly and detects what torchvision detects with it', async () => {
    await using detector = await Detector.create(tinyRetinaNet(5), { device: 'cpu' });
    await detector.loadStateDict(FILE);
    const golden = readGolden(join(FOLDER, 'retinanet-2020.safetensors'));
    const [found] = await detector.predict(imagesOf(golden), { scoreThreshold: 0, exact: true });
    assert.ok(found);
    const expected = {
      boxes: whole(golden, 'detections.boxes.0'),
      labels: whole(golden, 'detections.labels.0'),
      scores: whole(golden, 'detections.scores.0'),
    };
    assert.equal(expected.scores.length, 40);
    matchDetections(expected, found, { boxes: 1e-3, scores: 1e-5 }, 'after loading');
  });

  it('its head is replaced for another number of classes, and nothing else', async () => {
    const messages: string[] = [];
    await using detector = await Detector.create(tinyRetinaNet(3), {
      device: 'cpu',
      weights: FILE,
      onMessage: (message) => messages.push(message),
    });
    await using original = await Detector.create(tinyRetinaNet(5), {
      device: 'cpu',
      weights: FILE,
    });
    const [state, other] = [await detector.stateDict(), await original.stateDict()];
    const different = Object.keys(state).filter(
      (name) => String(state[name]?.data) !== String(other[name]?.data),
    );
    assert.deepEqual(different, [
      'head.classification_head.cls_logits.weight',
      'head.classification_head.cls_logits.bias',
    ]);
    assert.match(messages.join('\n'), /predicts 5 classes, the model 3/);
  });

  const pyramid = (): Backbone =>
    resnetFpn('resnet18', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' });
  const families: [string, (numClasses: number) => DetectorSpec, number[]][] = [
    // Nine anchors a cell, and one point.
    ['RetinaNet', (numClasses) => retinaNet({ backbone: pyramid(), numClasses }), [9 * 91, 9 * 4]],
    ['FCOS', (numClasses) => fcos({ backbone: pyramid(), numClasses }), [91, 4]],
  ];
  for (const [family, describeWith, [theirs, ours]] of families) {
    it(`${family}: 91 classes in the file, 4 in the model`, () => {
      const model = modelOf(shapesOf(describeWith(4)));
      const checkpoint = checkpointOf(shapesOf(describeWith(91)));
      const matched = matchState(model, checkpoint);
      const prefix = 'head.classification_head.cls_logits';
      assert.deepEqual(matched.replaced, [
        { name: `${prefix}.weight`, model: [ours, 256, 3, 3], checkpoint: [theirs, 256, 3, 3] },
        { name: `${prefix}.bias`, model: [ours], checkpoint: [theirs] },
      ]);
      assert.equal(matched.state.size, model.length - 2);
      assert.deepEqual([matched.missing, matched.unexpected, matched.misshaped], [[], [], []]);
      assert.match(matched.messages.join('\n'), /91 classes, the model 4/);
      assert.throws(() => matchState(model, checkpoint, { replaceHead: false }), {
        code: 'ERR_STATE_DICT',
        message: /cls_logits\.weight/,
      });
    });
  }

  it('a FCOS checkpoint is not taken for a RetinaNet', () => {
    const model = modelOf(shapesOf(retinaNet({ backbone: pyramid(), numClasses: 91 })));
    const checkpoint = checkpointOf(shapesOf(fcos({ backbone: pyramid(), numClasses: 91 })));
    assert.throws(() => matchState(model, checkpoint), {
      code: 'ERR_STATE_DICT',
      message: /names in the checkpoint are those of FCOS .*the model is RetinaNet/,
    });
  });
});
