// Mask R-CNN and Keypoint R-CNN: what they are made of against torchvision (test/oracle/branch_structure.py), what their options
// refuse, and how checkpoints of other classes, keypoints and years go in.
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Detector, nn, readCheckpoint, writeSafetensors } from '../../lib';
import type { Backbone } from '../../lib/backbones';
import { resnetFpn } from '../../lib/backbones';
import { bodyWithPyramid } from '../../lib/backbones/feature-pyramid';
import { buildModel, detectorFromDescription, keypointRcnn, maskRcnn } from '../../lib/models';
import type { DetectorSpec } from '../../lib/models';
import { assertModel, readCases } from './structure';
import type { ModelCase } from './structure';
import { refuses } from './refuses';

interface BranchCase extends ModelCase {
  /** A case of a builder rather than of a model by name. */
  readonly builder?: 'masks' | 'keypoints';
}

const backbone = resnetFpn('resnet18');

/** As in test/oracle/branch_structure.py. */
const BUILT = {
  masks: () =>
    maskRcnn({
      backbone,
      numClasses: 5,
      maskRoiPool: {
        featmapNames: ['0', '1', '2'],
        outputSize: 10,
        samplingRatio: 3,
        canonicalScale: 112,
        canonicalLevel: 3,
      },
      maskHead: { layers: [64, 96], dilation: 2, norm: 'batch' },
      maskPredictor: { dimReduced: 48 },
    }),
  keypoints: () =>
    keypointRcnn({
      backbone,
      numClasses: 3,
      numKeypoints: 7,
      minSize: [320, 352],
      maxSize: 640,
      keypointRoiPool: { featmapNames: ['0', '1'], outputSize: 12, samplingRatio: -1 },
      keypointHead: { layers: [64, 32, 48] },
    }),
};

/** Options as a program in JavaScript might give them. */
const masks = (options: object) => () => maskRcnn({ backbone, numClasses: 3, ...options });
const keypoints = (options: object) => () => keypointRcnn({ backbone, numClasses: 2, ...options });

describe('Mask R-CNN and Keypoint R-CNN against torchvision', () => {
  for (const expected of readCases('branches') as readonly BranchCase[]) {
    const { name, builder, options } = expected;
    it(`${name} ${builder ?? JSON.stringify(options)}`, () => {
      assertModel(builder ? BUILT[builder]() : buildModel(name, options), expected);
    });
  }

  it('trains a keypoint detector at six sizes, and knows COCO’s people and points', () => {
    const spec = buildModel('keypointrcnn_resnet50_fpn');
    assert.deepEqual(spec.config.transform.minSize, [640, 672, 704, 736, 768, 800]);
    assert.equal(spec.numClasses, 2);
    const [, predictor] = childrenOf(spec, 'keypoint');
    assert.deepEqual(predictor?.children?.[0]?.[1].parameters?.weight?.shape, [512, 17, 4, 4]);
  });
});

function childrenOf(spec: DetectorSpec, branch: string): (nn.ModuleSpec | undefined)[] {
  const heads = spec.module.children?.find(([name]) => name === 'roi_heads')?.[1];
  return ['head', 'predictor'].map(
    (part) => heads?.children?.find(([name]) => name === `${branch}_${part}`)?.[1],
  );
}

describe('options of maskRcnn and keypointRcnn', () => {
  it('refuses unknown options at every depth, with the nearest', () => {
    refuses(masks({ maskHaed: {} }), 'ERR_OPTION_UNKNOWN', 'maskRcnn', '"maskHead"');
    refuses(masks({ numKeypoints: 5 }), 'ERR_OPTION_UNKNOWN', '"numKeypoints"');
    refuses(masks({ maskHead: { layer: [64] } }), 'ERR_OPTION_UNKNOWN', 'maskHead', '"layers"');
    refuses(masks({ maskPredictor: { dim: 64 } }), 'ERR_OPTION_UNKNOWN', 'maskPredictor', '"dim"');
    refuses(masks({ maskRoiPool: { size: 14 } }), 'ERR_OPTION_UNKNOWN', 'maskRoiPool', '"size"');
    refuses(keypoints({ maskHead: {} }), 'ERR_OPTION_UNKNOWN', 'keypointRcnn', '"maskHead"');
    refuses(keypoints({ keypointHead: { dilation: 2 } }), 'ERR_OPTION_UNKNOWN', '"dilation"');
    const misspelt = { numKeypoint: 5 } as never;
    refuses(
      () => buildModel('keypointrcnn_resnet50_fpn', misspelt),
      'ERR_OPTION_UNKNOWN',
      'keypointrcnn_resnet50_fpn',
      '"numKeypoints"',
    );
  });

  it('refuses values out of range', () => {
    const wrong: [() => unknown, ...string[]][] = [
      [masks({ numClasses: 1 }), 'maskRcnn', 'background', 'K + 1'],
      [masks({ maskHead: { layers: [] } }), 'maskHead', '"layers"', 'not empty'],
      [masks({ maskHead: { layers: [64, 0] } }), '"layers[1]"', 'at least 1', 'got 0'],
      [masks({ maskHead: { dilation: 0 } }), '"dilation"', 'at least 1'],
      [masks({ maskHead: { norm: 'group' } }), '"norm"', '"batch", null', '"group"'],
      [masks({ maskPredictor: { dimReduced: 1.5 } }), '"dimReduced"', 'got 1.5'],
      [masks({ maskRoiPool: { outputSize: 0 } }), 'maskRoiPool', '"outputSize"'],
      [masks({ maskRoiPool: { samplingRatio: 0 } }), '"samplingRatio"', 'or -1'],
      [keypoints({ numKeypoints: 0 }), 'keypointRcnn', '"numKeypoints"', 'at least 1'],
      [keypoints({ numKeypoints: '17' }), '"numKeypoints"', 'got "17"'],
      [keypoints({ keypointHead: { layers: [-4] } }), 'keypointHead', '"layers[0]"'],
      [keypoints({ keypointRoiPool: { outputSize: [7] } }), 'keypointRoiPool', '[height, width]'],
      [keypoints({ numKeypoints: 3, keypointNames: ['a', 'b'] }), '2 names for 3 keypoints'],
      [keypoints({ keypointNames: ['a'] }), '1 names for 17 keypoints'],
      [keypoints({ numKeypoints: 1, keypointNames: [1] }), '"keypointNames[0]"'],
    ];
    for (const [run, ...parts] of wrong) refuses(run, 'ERR_OPTION_VALUE', ...parts);
  });

  it('checks RoI levels against the backbone', () => {
    refuses(
      masks({ maskRoiPool: { featmapNames: ['0', '7'] } }),
      'ERR_BACKBONE_MISMATCH',
      'maskRoiPool',
      '"7"',
      'has 5 feature levels',
    );
    refuses(
      keypoints({ keypointRoiPool: { featmapNames: ['x'] } }),
      'ERR_BACKBONE_MISMATCH',
      'keypointRoiPool',
      '"x"',
    );
  });

  it('makes a model again from its description', () => {
    const specs = [
      BUILT.masks(),
      BUILT.keypoints(),
      keypointRcnn({ backbone, numClasses: 2, numKeypoints: 2, keypointNames: ['head', 'tail'] }),
      buildModel('maskrcnn_resnet50_fpn_v2', { numClasses: 4, maskHead: { layers: [64] } }),
      buildModel('keypointrcnn_resnet50_fpn', { pretrained: 'backbone', numKeypoints: 5 }),
    ];
    for (const spec of specs) {
      const description = JSON.parse(JSON.stringify(spec.description)) as typeof spec.description;
      assert.deepEqual(detectorFromDescription(description), spec);
    }
  });
});

/** The small Mask R-CNN of test/oracle/branch_checkpoints.py. */
function small(numClasses: number, channels = 8): DetectorSpec {
  return maskRcnn({
    backbone: smallBackbone(),
    numClasses,
    ...SMALL,
    boxHead: { kind: 'twoMlp', representationSize: 8 },
    maskHead: { layers: [16, 16] },
    maskPredictor: { dimReduced: channels },
  });
}

const SMALL = {
  minSize: 64,
  maxSize: 64,
  rpnAnchorGenerator: { sizes: [[32], [64], [128]] },
  boxRoiPool: { featmapNames: ['0'], outputSize: 2 },
} as const;

function smallBackbone(): Backbone {
  const stage = (inputs: number, outputs: number): nn.ModuleSpec =>
    nn.sequential([
      nn.conv2d(inputs, outputs, 3, { stride: 4, padding: 1, bias: false }),
      nn.frozenBatchNorm2d(outputs),
      nn.relu(),
    ]);
  const pyramid = bodyWithPyramid(
    [
      ['0', stage(3, 8)],
      ['1', stage(8, 12)],
    ],
    [
      { child: '0', channels: 8, stride: 4 },
      { child: '1', channels: 12, stride: 16 },
    ],
    { outChannels: 16, extraBlocks: 'maxPool', norm: null },
  );
  const description = { builder: 'custom', name: 'small', options: {} };
  return { ...pyramid, name: 'small', frozen: [], trainableGroups: [], description };
}

const OLD = path.join(__dirname, '../fixtures/checkpoints/old-mask-rcnn.pt');

describe('checkpoints of Mask R-CNN and Keypoint R-CNN', () => {
  it('takes the names of 2019, from a file that Python wrote', async () => {
    await using detector = await Detector.create(small(3), { device: 'cpu', weights: OLD });
    const old = await readCheckpoint(OLD);
    const state = await detector.stateDict();
    const renamed = {
      'roi_heads.mask_head.0.0.weight': 'roi_heads.mask_head.mask_fcn1.weight',
      'roi_heads.mask_head.1.0.bias': 'roi_heads.mask_head.mask_fcn2.bias',
      'rpn.head.conv.0.0.weight': 'rpn.head.conv.weight',
      'backbone.fpn.inner_blocks.1.0.weight': 'backbone.fpn.inner_blocks.1.weight',
      'backbone.fpn.layer_blocks.0.0.bias': 'backbone.fpn.layer_blocks.0.bias',
      'roi_heads.mask_predictor.conv5_mask.weight': 'roi_heads.mask_predictor.conv5_mask.weight',
    };
    for (const [today, before] of Object.entries(renamed)) {
      const tensor = old.tensors.get(before);
      assert.ok(tensor, before);
      const { buffer, byteOffset, byteLength } = tensor.data;
      const values = new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength));
      assert.deepEqual(state[today]?.data, values, today);
    }
  });

  it('leaves the heads fresh for another number of classes, and says so', async () => {
    const messages: string[] = [];
    const onMessage = (message: string) => messages.push(message);
    const options = { device: 'cpu', weights: OLD, onMessage };
    await using detector = await Detector.create(small(5), options);
    const [message] = messages.filter((text) => text.includes('start fresh'));
    assert.match(message ?? '', /predicts 3 classes, the model 5 \(background included\)/);
    assert.match(message ?? '', /mask_fcn_logits\.weight/);
    const { shape } =
      (await detector.stateDict())['roi_heads.mask_predictor.mask_fcn_logits.bias'] ?? {};
    assert.deepEqual(shape, [5]);
    const wider = Detector.create(small(3, 12), options);
    await assert.rejects(
      wider,
      /conv5_mask\.weight: the model has \[16, 12, 2, 2\], the checkpoint \[16, 8, 2, 2\]/,
    );
  });

  it('leaves the keypoint head fresh for another number of keypoints', async () => {
    const spec = (numKeypoints: number): DetectorSpec =>
      keypointRcnn({
        backbone: smallBackbone(),
        numClasses: 2,
        numKeypoints,
        ...SMALL,
        boxHead: { kind: 'twoMlp', representationSize: 8 },
        keypointHead: { layers: [16] },
      });
    await using five = await Detector.create(spec(5), { device: 'cpu', seed: 1 });
    const tensors = new Map(
      Object.entries(await five.stateDict()).map(([name, { data, shape, dtype }]) => [
        name,
        { data, shape, dtype },
      ]),
    );
    const weights = writeSafetensors(tensors);
    const messages: string[] = [];
    const onMessage = (message: string) => messages.push(message);
    await using three = await Detector.create(spec(3), { device: 'cpu', weights, onMessage });
    assert.match(
      messages.join(),
      /another number of classes or keypoints.*kps_score_lowres\.weight/,
    );
    const state = await three.stateDict();
    assert.deepEqual(
      state['roi_heads.keypoint_predictor.kps_score_lowres.weight']?.shape,
      [16, 3, 4, 4],
    );
    const name = 'roi_heads.keypoint_head.0.weight';
    assert.deepEqual(state[name]?.data, tensors.get(name)?.data);
  });

  it('keeps names of keypoints and the branch through save and load', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'torchdet-branches-'));
    try {
      const spec = keypointRcnn({
        backbone: smallBackbone(),
        numClasses: 2,
        numKeypoints: 2,
        keypointNames: ['head', 'tail'],
        ...SMALL,
        boxScoreThresh: 0,
        boxHead: { kind: 'twoMlp', representationSize: 8 },
        keypointHead: { layers: [16] },
      });
      const data = new Uint8Array(3 * 64 * 64).map((_, i) => (i * 7919) % 251);
      const image = { data, width: 64, height: 64, channels: 3 } as const;
      const file = path.join(folder, 'keypoints.pt');
      await using made = await Detector.create(spec, { device: 'cpu', seed: 3 });
      await made.save(file);
      await using loaded = await Detector.load(file, { device: 'cpu' });
      const [before] = await made.predict([image]);
      const [after] = await loaded.predict([image]);
      assert.ok(before && after && before.length > 0);
      assert.deepEqual(after.keypoints, before.keypoints);
      const names = after.keypoint(0).map(({ name }) => name);
      assert.deepEqual(names, ['head', 'tail']);
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
