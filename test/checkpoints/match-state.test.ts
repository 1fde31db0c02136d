import assert from 'node:assert/strict';

import { backboneState } from '../../lib/checkpoints/backbone-state';
import { matchState } from '../../lib/checkpoints/match-state';
import { checkpointOf, modelOf, namesOf } from './fixtures';

type Shapes = Record<string, number[]>;

/** A Faster R-CNN as it is, but for another number of classes. */
function withClasses(shapes: Shapes, classes: number): Shapes {
  return {
    ...shapes,
    'roi_heads.box_predictor.cls_score.weight': [classes, 1024],
    'roi_heads.box_predictor.cls_score.bias': [classes],
    'roi_heads.box_predictor.bbox_pred.weight': [classes * 4, 1024],
    'roi_heads.box_predictor.bbox_pred.bias': [classes * 4],
  };
}

const faster = namesOf('fasterrcnn_resnet50_fpn').today;
const mask = namesOf('maskrcnn_resnet50_fpn').today;

describe('matchState', () => {
  it('pairs equal state dicts without a word', () => {
    const matched = matchState(modelOf(faster), checkpointOf(faster));
    assert.equal(matched.state.size, Object.keys(faster).length);
    assert.deepEqual(
      [matched.missing, matched.unexpected, matched.misshaped, matched.replaced, matched.messages],
      [[], [], [], [], []],
    );
  });

  for (const builder of [
    'fasterrcnn_resnet50_fpn',
    'maskrcnn_resnet50_fpn',
    'retinanet_resnet50_fpn',
  ]) {
    it(`takes the names of 2019 for ${builder}`, () => {
      const { today, renamed } = namesOf(builder);
      const old: Shapes = {};
      const oldName = new Map(Object.entries(renamed).map(([before, now]) => [now, before]));
      for (const [name, shape] of Object.entries(today)) {
        old[oldName.get(name) ?? name] = shape;
        // The norms of that time saved a counter; here they are frozen and have none.
        if (name.endsWith('running_var')) {
          old[name.replace('running_var', 'num_batches_tracked')] = [];
        }
      }
      assert.ok(Object.keys(renamed).length >= 14, 'several names differ');
      const { state, migrated, messages } = matchState(modelOf(today), checkpointOf(old));
      assert.deepEqual([...state.keys()].sort(), Object.keys(today).sort());
      assert.deepEqual(Object.fromEntries(migrated), renamed);
      assert.deepEqual(messages, []);
    });
  }

  it('does not require counters of files from before there were any', () => {
    const model = modelOf({ 'bn.running_mean': [2], 'bn.num_batches_tracked': [] });
    const checkpoint = checkpointOf({ 'bn.running_mean': [2] });
    assert.deepEqual(matchState(model, checkpoint).missing, []);
    checkpoint.versions = new Map([['bn', 2]]);
    assert.throws(() => matchState(model, checkpoint), /bn\.num_batches_tracked/);
  });

  it('leaves the head fresh for another number of classes, and says so', () => {
    const { state, replaced, messages, missing } = matchState(
      modelOf(withClasses(faster, 4)),
      checkpointOf(faster),
    );
    assert.equal(state.size, Object.keys(faster).length - 4);
    assert.deepEqual(missing, []);
    assert.deepEqual(replaced[0], {
      name: 'roi_heads.box_predictor.cls_score.weight',
      model: [4, 1024],
      checkpoint: [91, 1024],
    });
    assert.equal(messages.length, 1);
    assert.match(messages[0] ?? '', /predicts 91 classes, the model 4 \(background included\)/);
    assert.match(messages[0] ?? '', /cls_score\.weight.*bbox_pred\.bias/);
    assert.throws(
      () =>
        matchState(modelOf(withClasses(faster, 4)), checkpointOf(faster), { replaceHead: false }),
      /cls_score\.weight: the model has \[4, 1024\], the checkpoint \[91, 1024\]/,
    );
  });

  for (const builder of ['fcos_resnet50_fpn', 'ssd300_vgg16', 'ssdlite320_mobilenet_v3_large']) {
    it(`knows the head of ${builder}`, () => {
      const { today, fiveClasses } = namesOf(builder);
      const model = modelOf({ ...today, ...fiveClasses });
      const { replaced, messages } = matchState(model, checkpointOf(today));
      assert.deepEqual(replaced.map(({ name }) => name).sort(), Object.keys(fiveClasses).sort());
      assert.match(messages[0] ?? '', /predicts 91 classes, the model 5 \(background included\)/);
    });
  }

  it('knows the heads for masks and keypoints', () => {
    const masks = matchState(
      modelOf({
        ...withClasses(mask, 3),
        'roi_heads.mask_predictor.mask_fcn_logits.weight': [3, 256, 1, 1],
        'roi_heads.mask_predictor.mask_fcn_logits.bias': [3],
      }),
      checkpointOf(mask),
    );
    assert.equal(masks.replaced.length, 6);
    const keypoints = {
      'roi_heads.keypoint_predictor.kps_score_lowres.weight': [512, 17, 4, 4],
      'roi_heads.keypoint_predictor.kps_score_lowres.bias': [17],
    };
    const five = {
      'roi_heads.keypoint_predictor.kps_score_lowres.weight': [512, 5, 4, 4],
      'roi_heads.keypoint_predictor.kps_score_lowres.bias': [5],
    };
    assert.equal(matchState(modelOf(five), checkpointOf(keypoints)).replaced.length, 2);
  });

  it('does not take another width for another number of classes', () => {
    const narrow = { ...faster, 'roi_heads.box_predictor.cls_score.weight': [91, 512] };
    assert.throws(() => matchState(modelOf(faster), checkpointOf(narrow)), {
      code: 'ERR_STATE_DICT',
      message:
        /1 of \d+ tensors of another shape:\n.*cls_score\.weight: the model has \[91, 1024\], the checkpoint \[91, 512\]/,
    });
  });

  it('lists what is missing, unexpected and misshaped, but not without end', () => {
    const shapes: Shapes = Object.fromEntries(
      Array.from({ length: 100 }, (_, i): [string, number[]] => [`layer.${i}.weight`, [i + 1, 3]]),
    );
    const changed = { ...shapes, 'layer.99.weight': [7], extra: [1] };
    for (let i = 0; i < 12; i++) Reflect.deleteProperty(changed, `layer.${i}.weight`);
    assert.throws(
      () => matchState(modelOf(shapes), checkpointOf(changed)),
      (error: Error) => {
        assert.equal(
          error.message,
          [
            'The checkpoint does not fit the model. With strict: false what fits is loaded and the rest keeps its initial values.',
            '12 of 100 tensors missing in the checkpoint:',
            ...[0, 1, 2, 3, 4, 5, 6, 7].map((i) => `  layer.${i}.weight`),
            '  … and 4 more',
            '1 of 89 tensors unknown to the model:',
            '  extra',
            '1 of 100 tensors of another shape:',
            '  layer.99.weight: the model has [100, 3], the checkpoint [7]',
          ].join('\n'),
        );
        return true;
      },
    );
    const { state, missing, unexpected, misshaped, messages } = matchState(
      modelOf(shapes),
      checkpointOf(changed),
      { strict: false },
    );
    assert.deepEqual(
      [state.size, missing.length, unexpected.length, misshaped.length],
      [87, 12, 1, 1],
    );
    assert.equal(messages.length, 3);
  });

  it('recognises another architecture', () => {
    assert.throws(
      () => matchState(modelOf(faster), checkpointOf(namesOf('retinanet_resnet50_fpn').today)),
      /looks like another architecture: .* those of RetinaNet on ResNet with bottlenecks.*the model is Faster R-CNN/,
    );
    assert.throws(
      () => matchState(modelOf(faster), checkpointOf(mask)),
      /those of Mask R-CNN on ResNet.*, the model is Faster R-CNN/,
    );
    const classifier = {
      'conv1.weight': [64, 3, 7, 7],
      'layer4.0.conv3.weight': [2048, 512, 1, 1],
    };
    assert.throws(
      () => matchState(modelOf(faster), checkpointOf(classifier)),
      /those of a ResNet classifier with bottlenecks, the model is Faster R-CNN/,
    );
    const wrongPart = { ...checkpointOf({ step: [] }), metadata: { otherSources: 'ema' } };
    assert.throws(
      () => matchState(modelOf(faster), wrongPart),
      /wrong part of the file.*Other parts: ema/,
    );
  });

  it('recognises another size of the same architecture', () => {
    const wide = Object.fromEntries(
      Object.entries(faster).map(([name, shape]) => [name, shape.map((size) => size * 2)]),
    );
    assert.throws(
      () => matchState(modelOf(faster), checkpointOf(wide)),
      /another size of the same/,
    );
  });

  it('refuses misspelt options', () => {
    assert.throws(() => matchState([], checkpointOf({}), { strickt: true } as object), {
      code: 'ERR_OPTION_UNKNOWN',
    });
  });
});

describe('backboneState', () => {
  it('puts a classifier’s tensors where the detector has them', () => {
    const model = {
      'backbone.body.conv1.weight': [64, 3, 7, 7],
      'backbone.body.bn1.running_mean': [64],
      'backbone.fpn.inner_blocks.0.0.weight': [256, 256, 1, 1],
    };
    const resnet = {
      'conv1.weight': [64, 3, 7, 7],
      'bn1.running_mean': [64],
      'bn1.num_batches_tracked': [],
      'fc.weight': [1000, 2048],
    };
    const state = backboneState(checkpointOf(resnet), (name) => name in model);
    const body = modelOf(model).filter(({ name }) => name.startsWith('backbone.body.'));
    assert.deepEqual(
      [...matchState(body, state).state.keys()],
      ['backbone.body.conv1.weight', 'backbone.body.bn1.running_mean'],
    );
  });

  it('knows the features of MobileNet and VGG', () => {
    const model = { 'backbone.body.0.0.weight': [32, 3, 3, 3] };
    const mobileNet = {
      'features.0.0.weight': [32, 3, 3, 3],
      'features.18.0.weight': [1],
      'classifier.1.bias': [1000],
    };
    const { tensors } = backboneState(checkpointOf(mobileNet), (name) => name in model);
    assert.deepEqual([...tensors.keys()], ['backbone.body.0.0.weight']);
  });
});
