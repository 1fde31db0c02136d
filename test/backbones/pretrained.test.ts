// Every backbone takes the state dict of torchvision's image classifier: names and shapes of all of them as the installed
// torchvision wrote them down (test/oracle/classifiers.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { convNextLike } from '../../examples/own-backbone/convnext-like';
import {
  Detector,
  fasterRcnn,
  mobileNet,
  mobileNetFpn,
  MOBILENET_NAMES,
  resnetFpn,
  RESNET_NAMES,
  VGG_NAMES,
  vggFpn,
  writeSafetensors,
} from '../../lib';
import type { Backbone, VggName } from '../../lib';
import { backboneState } from '../../lib/checkpoints';
import type { Checkpoint, CheckpointTensor } from '../../lib/checkpoints/types';
import { stateOf } from '../../lib/nn';

const CLASSIFIERS = JSON.parse(
  readFileSync(join(__dirname, '../fixtures/structure/classifiers.json'), 'utf8'),
) as Readonly<Record<string, readonly string[]>>;

const NORM = ['weight', 'bias', 'running_mean', 'running_var'];

/** Shapes by name of a classifier of torchvision's. */
function classifierShapes(name: string): Map<string, number[]> {
  const shapes = new Map<string, number[]>();
  const lines = CLASSIFIERS[name];
  assert.ok(lines, `no classifier ${name} in the fixture`);
  for (const line of lines) {
    const [key = '', ...rest] = line.split(' ');
    if (rest[0] === 'norm') {
      for (const part of NORM) shapes.set(`${key}.${part}`, [Number(rest[1])]);
      shapes.set(`${key}.num_batches_tracked`, []);
    } else {
      shapes.set(key, (rest[0] ?? '').split('x').map(Number));
    }
  }
  return shapes;
}

/** Behind the last convolution, which is the last returned layer. */
const LAST_NORM: Readonly<Record<VggName, RegExp>> = {
  vgg11: /^features\.26\./,
  vgg13: /^features\.32\./,
  vgg16: /^features\.41\./,
  vgg19: /^features\.50\./,
};

/** What one backbone leaves out, beside the classifier's head. */
type Beyond = RegExp | null;

const CASES: [string, () => Backbone, Beyond][] = [
  ...RESNET_NAMES.flatMap((name): [string, () => Backbone, Beyond][] => [
    [name, () => resnetFpn(name), null],
    [`${name}, norm batch`, () => resnetFpn(name, { norm: 'batch' }), null],
    [
      `${name}, two layers`,
      () => resnetFpn(name, { returnedLayers: [1, 2], extraBlocks: null }),
      /^layer[34]\./,
    ],
  ]),
  ...MOBILENET_NAMES.flatMap((name): [string, () => Backbone, Beyond][] => [
    [name, () => mobileNetFpn(name), null],
    [`${name}, plain, norm batch`, () => mobileNet(name, { norm: 'batch' }), null],
  ]),
  ...VGG_NAMES.flatMap((name): [string, () => Backbone, Beyond][] => [
    [name, () => vggFpn(name), null],
    [`${name}, plain`, () => vggFpn(name, { fpn: false }), null],
    [`${name}_bn`, () => vggFpn(name, { batchNorm: true }), LAST_NORM[name]],
    [
      `${name}_bn, plain, norm batch`,
      () => vggFpn(name, { batchNorm: true, norm: 'batch', fpn: false }),
      LAST_NORM[name],
    ],
  ]),
  [
    'vgg16 up to layer 12',
    () => vggFpn('vgg16', { returnedLayers: [7, 12], frozenLayers: 0 }),
    /^features\.(14|17|19|21|24|26|28)\./,
  ],
  ['the example of convnext', () => convNextLike(), null],
];

/** It has no place in a detector. */
const HEAD = /^(fc|classifier)\./;

describe("torchvision's classifiers as backbones", () => {
  for (const [what, describeBackbone, beyond] of CASES) {
    it(what, () => {
      const backbone = describeBackbone();
      const hint = backbone.pretrained;
      assert.ok(hint);
      const classifier = classifierShapes(hint.weights);
      const model = new Map([...stateOf(backbone.module)].map((e) => [e.name, e.shape]));
      const tensors = new Map<string, CheckpointTensor>(
        [...classifier].map(([name, shape]) => [
          name,
          { dtype: 'float32', shape, data: new Uint8Array() },
        ]),
      );
      const checkpoint: Checkpoint = { tensors, metadata: {} };
      const landed = backboneState(checkpoint, (name) => model.has(name), hint.to, hint.moved);

      const used = new Set<unknown>(landed.tensors.values());
      for (const [name, { shape }] of landed.tensors) {
        // A frozen norm counts no batches.
        const wanted = name.endsWith('.num_batches_tracked') ? [] : model.get(name);
        assert.deepEqual(shape, wanted, name);
      }
      const left = [...tensors].filter(([, tensor]) => !used.has(tensor)).map(([name]) => name);
      const unexplained = left.filter((name) => !HEAD.test(name) && !beyond?.test(name));
      assert.deepEqual(unexplained, [], 'neither used, nor the head, nor beyond the last level');
      if (beyond)
        assert.ok(
          left.some((name) => beyond.test(name)),
          'something is left out',
        );

      const missing = [...model.keys()].filter(
        (name) => name.startsWith(hint.to) && !landed.tensors.has(name),
      );
      assert.deepEqual(missing, []);
    });
  }

  it('loads them from a file', async () => {
    const backbone = vggFpn('vgg11', { returnedLayers: [3, 6], frozenLayers: 3, outChannels: 16 });
    const shapes = [...classifierShapes('vgg11')].filter(([name]) =>
      /^features\.[036]\./.test(name),
    );
    let next = 0;
    const state = Object.fromEntries(
      shapes.map(([name, shape]) => {
        const data = new Float32Array(shape.reduce((product, n) => product * n, 1));
        return [name, { dtype: 'float32' as const, shape, data: data.map(() => ++next / 1e6) }];
      }),
    );
    const head = { dtype: 'float32' as const, shape: [3], data: Float32Array.of(1, 2, 3) };
    const file = writeSafetensors([...Object.entries(state), ['classifier.6.bias', head]]);
    const spec = fasterRcnn({
      backbone,
      numClasses: 2,
      boxHead: { kind: 'twoMlp', representationSize: 8 },
    });
    const detector = await Detector.create(spec, { device: 'cpu', backboneWeights: file });
    const loaded = await detector.stateDict();
    for (const [name, { data, shape }] of Object.entries(state)) {
      const tensor = loaded[name.replace('features.', 'backbone.body.')];
      assert.deepEqual(tensor?.shape, shape, name);
      assert.deepEqual(tensor.data, data, name);
    }
    assert.deepEqual(
      (await detector.trainableParameters()).filter((name) => name.includes('.body.')),
      [3, 6].flatMap((i) => [`backbone.body.${i}.weight`, `backbone.body.${i}.bias`]),
    );
    await detector.dispose();
  });
});
