// Options of RetinaNet and FCOS: what is derived, what is refused and how the message says it.
import assert from 'node:assert/strict';
import { mobileNet, resnetFpn } from '../../lib/backbones';
import type { Backbone } from '../../lib/backbones';
import { detectorFromDescription, fcos, fcosResnet50Fpn, retinaNet } from '../../lib/models';
import { retinanetResnet50Fpn, retinanetResnet50FpnV2 } from '../../lib/models';
import type { DetectorSpec } from '../../lib/models';
import { stateOf } from '../../lib/nn';

const pyramid = resnetFpn('resnet18', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' });
const oneLevel = mobileNet('mobilenet_v2');

const retina = (options: object = {}): DetectorSpec =>
  retinaNet({ backbone: pyramid, numClasses: 4, ...options });
const fcosOf = (options: object = {}): DetectorSpec =>
  fcos({ backbone: pyramid, numClasses: 4, ...options });

function shapeOf(spec: DetectorSpec, name: string): readonly number[] | undefined {
  return [...stateOf(spec.module)].find((entry) => entry.name === name)?.shape;
}

function anchorsOf(spec: DetectorSpec) {
  assert.ok(spec.config.kind === 'dense' && spec.config.anchors);
  return spec.config.anchors;
}

describe('options of RetinaNet and FCOS', () => {
  it('derives anchors from the strides, truncated as torchvision does', () => {
    assert.deepEqual(anchorsOf(retina()).sizes[4], [512, 645, 812]);
    const whole = { backbone: resnetFpn('resnet18') };
    assert.deepEqual(anchorsOf(retina(whole)).sizes[0], [16, 20, 25]);
    assert.deepEqual(anchorsOf(fcosOf(whole)).sizes, [[4], [8], [16], [32], [64]]);
    assert.deepEqual(anchorsOf(fcosOf({ backbone: oneLevel })).sizes, [[32]]);
  });

  it('sizes the head by anchors per cell and classes', () => {
    const anchorGenerator = { sizes: [8, 16, 32, 64, 128], aspectRatios: [1, 2] };
    const spec = retina({ anchorGenerator, head: { convs: 2 } });
    const head = 'head.classification_head';
    assert.deepEqual(shapeOf(spec, `${head}.cls_logits.bias`), [8]);
    assert.deepEqual(shapeOf(spec, 'head.regression_head.bbox_reg.bias'), [8]);
    assert.deepEqual(shapeOf(spec, `${head}.conv.1.0.weight`), [256, 256, 3, 3]);
    assert.equal(shapeOf(spec, `${head}.conv.2.0.weight`), undefined);
  });

  it('keeps the places of FCOS convolutions without a norm', () => {
    const spec = fcosOf({ head: { norm: null } });
    assert.deepEqual(shapeOf(spec, 'head.regression_head.conv.9.weight'), [256, 256, 3, 3]);
    assert.equal(shapeOf(spec, 'head.regression_head.conv.1.weight'), undefined);
  });

  it('sets the bias of the logits by the prior probability', () => {
    const text = JSON.stringify(retina({ head: { priorProbability: 0.25 } }).module);
    assert.ok(text.includes(`{"kind":"constant","value":${-Math.log(3)}}`));
  });

  it('hands every setting on', () => {
    const { config } = retina({
      ...{ scoreThresh: 0.1, nmsThresh: 0.2, detectionsPerImg: 3, topkCandidates: 4 },
      ...{ fgIouThresh: 0.6, bgIouThresh: 0.3, boxLoss: 'giou', channelOrder: 'bgr', maxSize: 99 },
    });
    assert.ok(config.kind === 'dense');
    const { scoreThresh, nmsThresh, detectionsPerImg, topkCandidates, training, transform } =
      config;
    assert.deepEqual([scoreThresh, nmsThresh, detectionsPerImg, topkCandidates], [0.1, 0.2, 3, 4]);
    assert.deepEqual(
      [training.fgIouThresh, training.bgIouThresh, training.boxLoss],
      [0.6, 0.3, 'giou'],
    );
    assert.deepEqual([transform.channelOrder, transform.maxSize], ['bgr', 99]);
    const other = fcosOf({ centerSamplingRadius: 2.5 }).config;
    assert.equal(other.kind === 'dense' && other.training.centerSamplingRadius, 2.5);
  });

  it('an option that is undefined leaves the default', () => {
    assert.deepEqual(retina({ scoreThresh: undefined, head: undefined }), retina());
  });

  it('takes names for labels, label 0 included', () => {
    const categories = ['', 'cat', 'dog', 'cow'];
    assert.deepEqual(retina({ categories }).categories, categories);
  });

  it('freezes no layer without pretrained weights, and says where that was asked for', () => {
    assert.deepEqual(fcosResnet50Fpn().trainable.frozen, []);
    const [warning] = retinanetResnet50Fpn({ trainableBackboneLayers: 1 }).warnings;
    assert.match(warning ?? '', /trainableBackboneLayers 1 has no effect/);
  });

  it('is described again from what an archive carries', () => {
    const specs = [
      retina({ scoreThresh: 0.3, head: { norm: 'group' } }),
      fcosOf({ centerSamplingRadius: 2, backbone: oneLevel }),
      retinanetResnet50FpnV2({ numClasses: 3, pretrained: 'backbone', trainableBackboneLayers: 1 }),
    ];
    for (const spec of specs) {
      const text = JSON.stringify(spec.description);
      assert.deepEqual(detectorFromDescription(JSON.parse(text) as typeof spec.description), spec);
    }
  });

  const uneven: Backbone = { ...pyramid, name: 'uneven', channels: [256, 256, 256, 256, 128] };
  const narrow = resnetFpn('resnet18', { outChannels: 40 });
  const refused: [string, () => DetectorSpec, string, RegExp][] = [
    ...(
      [
        ['retinaNet', retina],
        ['fcos', fcosOf],
      ] as const
    ).flatMap(([name, build]): [string, () => DetectorSpec, string, RegExp][] => [
      [
        `${name}: channels that differ`,
        () => build({ backbone: uneven }),
        'ERR_BACKBONE_MISMATCH',
        /256 channels at level "0" and 128 at level "p7"/,
      ],
      [
        `${name}: anchors for another number of levels`,
        () => build({ anchorGenerator: { sizes: [8, 16, 32] } }),
        'ERR_BACKBONE_MISMATCH',
        /anchorGenerator: "sizes" is for 3 levels, but backbone resnet18 has 5 feature levels/,
      ],
      [
        `${name}: one class`,
        () => build({ numClasses: 1 }),
        'ERR_OPTION_VALUE',
        /"numClasses" must be .*counts label 0, although nothing is background here.* got 1/,
      ],
      [
        `${name}: too few names`,
        () => build({ categories: ['cat', 'dog', 'cow'] }),
        'ERR_OPTION_VALUE',
        /3 names for 4 classes/,
      ],
      [
        `${name}: a misspelt option`,
        () => build({ scoreTresh: 0.1 }),
        'ERR_OPTION_UNKNOWN',
        /"scoreTresh".*"scoreThresh"/,
      ],
      [
        `${name}: a misspelt option of the head`,
        () => build({ head: { conv: 3 } }),
        'ERR_OPTION_UNKNOWN',
        /head: unknown option "conv".*"convs"/,
      ],
      [
        `${name}: an option of another family`,
        () => build({ boxScoreThresh: 0.1 }),
        'ERR_OPTION_UNKNOWN',
        /"boxScoreThresh"/,
      ],
      [
        `${name}: a threshold over 1`,
        () => build({ nmsThresh: 1.5 }),
        'ERR_OPTION_VALUE',
        /"nmsThresh" must be a number from 0 to 1, got 1.5/,
      ],
      [
        `${name}: no candidates`,
        () => build({ topkCandidates: 0 }),
        'ERR_OPTION_VALUE',
        /"topkCandidates" must be an integer of at least 1, got 0/,
      ],
      [
        `${name}: groups that do not divide the channels`,
        () => build({ backbone: narrow, head: { norm: 'group' } }),
        'ERR_BACKBONE_MISMATCH',
        /32 groups, but backbone resnet18 has 40 channels/,
      ],
      [
        `${name}: a prior probability of 1`,
        () => build({ head: { priorProbability: 1 } }),
        'ERR_OPTION_VALUE',
        /"priorProbability" must be a number between 0 and 1, got 1/,
      ],
      [
        `${name}: no backbone`,
        () => build({ backbone: 'resnet50' }),
        'ERR_OPTION_VALUE',
        /"backbone" must be a backbone/,
      ],
    ]),
    [
      'retinaNet: one level and no anchors',
      () => retina({ backbone: oneLevel }),
      'ERR_BACKBONE_MISMATCH',
      /for the 2 or more levels of a feature pyramid, but backbone mobilenet_v2 has 1/,
    ],
    [
      'retinaNet: a loss there is not',
      () => retina({ boxLoss: 'ciou' }),
      'ERR_OPTION_VALUE',
      /"boxLoss" must be one of "l1", "giou".*"giou".*got "ciou"/,
    ],
    [
      'retinaNet: background above objects',
      () => retina({ bgIouThresh: 0.7 }),
      'ERR_OPTION_VALUE',
      /"bgIouThresh" must be at most fgIouThresh, which is 0.5, got 0.7/,
    ],
    [
      'fcos: two anchors a cell',
      () => fcosOf({ anchorGenerator: { sizes: [8, 16, 32, 64, 128], aspectRatios: [1, 2] } }),
      'ERR_BACKBONE_MISMATCH',
      /makes 2 anchors per cell, but FCOS has 1 point per cell/,
    ],
    [
      'fcos: no radius',
      () => fcosOf({ centerSamplingRadius: 0 }),
      'ERR_OPTION_VALUE',
      /"centerSamplingRadius" must be a number above 0, got 0/,
    ],
    [
      'fcos_resnet50_fpn: six layers',
      () => fcosResnet50Fpn({ trainableBackboneLayers: 6 }),
      'ERR_OPTION_VALUE',
      /"trainableBackboneLayers".*from 0 to 5, got 6/,
    ],
  ];
  for (const [title, build, code, message] of refused) {
    it(`refuses ${title}`, () => {
      assert.throws(build, { name: 'TorchdetError', code, message });
    });
  }
});
