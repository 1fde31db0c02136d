// A backbone of one's own: the example of the documentation in a two-stage and a one-stage detector, and what is said where a
// backbone does not give what it declares.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { convNextLike } from '../../examples/own-backbone/convnext-like';
import {
  Detector,
  fasterRcnn,
  nn,
  ownBackbone,
  retinaNet,
  Tensor,
  withFeaturePyramid,
} from '../../lib';
import type { Backbone, BackboneBody, DetectorSpec, FeaturePyramidOptions } from '../../lib';
import { detectorFromDescription } from '../../lib/models';
import { stateOf } from '../../lib/nn';
import { pixels, TemporaryFolder } from '../detector/helpers';

const SMALL = { blocks: [1, 2, 1, 1], channels: [8, 16, 24, 32], outChannels: 16 };
const SIZES = { minSize: 64, maxSize: 96, numClasses: 3 };

const DETECTORS: Readonly<Record<string, (backbone: Backbone) => DetectorSpec>> = {
  fasterRcnn: (backbone) =>
    fasterRcnn({ ...SIZES, backbone, boxHead: { kind: 'twoMlp', representationSize: 16 } }),
  retinaNet: (backbone) => retinaNet({ ...SIZES, backbone, scoreThresh: 0.001 }),
};

const noMessage = (message: string): void => {
  throw new Error(message);
};

/** A body of three convolutions with strides 4, 8, 16 and what is declared of it. */
function threeStages(declared: Partial<BackboneBody> = {}): BackboneBody {
  return {
    name: 'three',
    children: [
      ['stem', nn.conv2d(3, 8, 4, { stride: 4 })],
      ['middle', nn.conv2d(8, 16, 2, { stride: 2 })],
      ['last', nn.conv2d(16, 24, 2, { stride: 2 })],
    ],
    levels: [
      { child: 'stem', channels: 8, stride: 4 },
      { child: 'middle', channels: 16, stride: 8 },
      { child: 'last', channels: 24, stride: 16 },
    ],
    ...declared,
  };
}

describe("a backbone of one's own", () => {
  for (const [builder, describeDetector] of Object.entries(DETECTORS)) {
    it(`compiles, predicts, saves and loads in ${builder}`, async () => {
      const extraBlocks = builder === 'retinaNet' ? 'p6p7' : 'maxPool';
      const spec = describeDetector(convNextLike({ ...SMALL, extraBlocks }));
      assert.deepEqual(spec.warnings, []);
      assert.equal(spec.description.backbone.builder, 'custom');
      const messages: string[] = [];
      const detector = await Detector.create(spec, {
        device: 'cpu',
        onMessage: (message) => messages.push(message),
      });
      assert.deepEqual(messages, []);
      const [result] = await detector.predict([pixels(80, 60)]);
      assert.ok(result);
      assert.ok(result.scores.length > 0, 'random weights find something');
      using folder = new TemporaryFolder();
      const path = join(folder.path, 'own.pt');
      await detector.save(path);
      const loaded = await Detector.load(path, { device: 'cpu' });
      const [again] = await loaded.predict([pixels(80, 60)]);
      assert.deepEqual(again?.boxes, result.boxes);
      assert.deepEqual(again.scores, result.scores);
      assert.deepEqual(await loaded.trainableParameters(), await detector.trainableParameters());
      await Promise.all([detector.dispose(), loaded.dispose()]);
    });
  }

  it("has torchvision's names, and anchors and RoI levels by its strides", () => {
    const backbone = convNextLike();
    const names = [...stateOf(backbone.module)].map(({ name }) => name);
    assert.deepEqual(names.slice(0, 7), [
      'body.0.0.weight',
      'body.0.0.bias',
      'body.0.1.weight',
      'body.0.1.bias',
      'body.1.0.layer_scale',
      'body.1.0.block.0.weight',
      'body.1.0.block.0.bias',
    ]);
    assert.deepEqual(backbone.featureNames, ['0', '1', '2', '3', 'pool']);
    assert.deepEqual(backbone.strides, [4, 8, 16, 32, 64]);
    const { config } = fasterRcnn({ backbone, numClasses: 2 });
    assert.deepEqual(config.anchors.sizes, [[32], [64], [128], [256], [512]]);
    assert.deepEqual(config.roiHeads.boxRoiPool.strides, [4, 8, 16, 32]);
    assert.deepEqual(backbone.pretrained, {
      weights: 'convnext_tiny',
      from: 'features.',
      to: 'body.',
    });
  });

  it('freezes what trainableLayers says, from the head', () => {
    const trained = (trainableLayers: number): Set<string> => {
      const backbone = convNextLike({ ...SMALL, trainableLayers });
      const parameters = [...stateOf(backbone.module)].filter((e) => e.kind === 'parameter');
      for (const { name, requiresGrad } of parameters) {
        const frozen = backbone.frozen.some((prefix) => name.startsWith(prefix));
        assert.equal(requiresGrad, !frozen, name);
      }
      const training = parameters.filter((entry) => entry.requiresGrad);
      return new Set(training.map(({ name }) => name.split('.').slice(0, 2).join('.')));
    };
    const pyramid = ['fpn.inner_blocks', 'fpn.layer_blocks'];
    assert.deepEqual([...trained(0)], pyramid);
    assert.deepEqual([...trained(3)], ['body.5', 'body.6', 'body.7', ...pyramid]);
    assert.equal(trained(8).size, 10);
    assert.throws(() => trained(9), { message: /"trainableLayers".*from 0 to 8, got 9/ });
  });

  it('can give its maps by itself', async () => {
    const backbone = ownBackbone({
      name: 'two',
      module: nn.module('Two', {
        children: [
          ['a', nn.conv2d(3, 8, 8, { stride: 8 })],
          ['b', nn.conv2d(8, 8, 2, { stride: 2 })],
        ],
        source: nn.defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
          'a = self.a.forward(x)',
          'return {"0": a, "1": self.b.forward(torch.relu(a))}',
        ]),
      }),
      featureNames: ['0', '1'],
      channels: [8, 8],
      strides: [8, 16],
      trainableGroups: [['b.'], ['a.']],
    });
    const detector = await Detector.create(fasterRcnn({ ...SIZES, backbone }), { device: 'cpu' });
    assert.equal((await detector.predict([pixels(80, 60)])).length, 1);
    await detector.dispose();
  });
});

describe('a backbone that does not give what it declares', () => {
  const refusedAtOnce: [string, () => unknown, ...RegExp[]][] = [
    [
      'a level that is no child',
      () => withFeaturePyramid(threeStages({ levels: [{ child: 'end', channels: 8, stride: 4 }] })),
      /level 0 of backbone three is taken from child "end", but its 3 children are "stem", "middle", "last"/,
    ],
    [
      'levels in another order than they run',
      () =>
        withFeaturePyramid(
          threeStages({
            levels: [
              { child: 'last', channels: 24, stride: 16 },
              { child: 'middle', channels: 16, stride: 16 },
            ],
          }),
        ),
      /level 1 .*"middle", which does not run after "last", level 0/,
    ],
    [
      'strides that do not ascend',
      () =>
        withFeaturePyramid(
          threeStages({
            levels: [
              { child: 'stem', channels: 8, stride: 8 },
              { child: 'last', channels: 24, stride: 4 },
            ],
          }),
        ),
      /declares stride 8 at level "stem" and 4 at level "last" after it/,
    ],
    [
      'lists of different lengths',
      () =>
        ownBackbone({
          name: 'odd',
          module: nn.identity(),
          featureNames: ['0', '1'],
          channels: [8],
          strides: [8, 16, 32],
        }),
      /backbone odd declares 2 feature names, 1 channels and 3 strides/,
    ],
    [
      'no level at all',
      () => withFeaturePyramid(threeStages({ levels: [] })),
      /backbone three declares no feature level/,
    ],
  ];
  for (const [what, run, message] of refusedAtOnce) {
    it(`refuses ${what}`, () => {
      assert.throws(run, { code: 'ERR_BACKBONE_MISMATCH', message });
    });
  }

  it('refuses options that are not there, with the nearest name', () => {
    const options = { outChannel: 64 } as unknown as FeaturePyramidOptions;
    assert.throws(() => withFeaturePyramid(threeStages(), options), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /"outChannels"/,
    });
    assert.throws(() => withFeaturePyramid(threeStages(), { fpnNorm: 'group', outChannels: 48 }), {
      code: 'ERR_OPTION_VALUE',
      message: /"outChannels".*multiple of 32.*got 48/,
    });
  });

  const create = (backbone: Backbone, onMessage: (message: string) => void = noMessage) =>
    Detector.create(fasterRcnn({ ...SIZES, backbone }), { device: 'cpu', onMessage });
  const twoMaps = (declared: Partial<Backbone>, result = '{"0": a, "1": b}') =>
    ownBackbone({
      name: 'maps',
      module: nn.module('Maps', {
        children: [['conv', nn.conv2d(3, 8, 8, { stride: 8 })]],
        source: nn.defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
          'a = self.conv.forward(x)',
          'b = torch.max_pool2d(a, [2, 2])',
          `return ${result}`,
        ]),
      }),
      featureNames: declared.featureNames ?? ['0', '1'],
      channels: declared.channels ?? [8, 8],
      strides: declared.strides ?? [8, 16],
    });

  const seenByRunning: [string, () => Backbone, RegExp][] = [
    [
      'channels of its body',
      () =>
        withFeaturePyramid(
          threeStages({
            levels: [
              { child: 'stem', channels: 8, stride: 4 },
              { child: 'middle', channels: 12, stride: 8 },
            ],
          }),
        ),
      /Backbone three, body declares 12 channels at level "1", but gives 16/,
    ],
    [
      'strides of its body',
      () =>
        withFeaturePyramid(
          threeStages({
            levels: [
              { child: 'stem', channels: 8, stride: 4 },
              { child: 'last', channels: 24, stride: 8 },
            ],
          }),
        ),
      /Backbone three, body declares stride 8 at level "1", but makes 4 x 4 of 64 x 64: stride 16/,
    ],
    [
      'channels',
      () => twoMaps({ channels: [16, 16] }),
      /Backbone maps declares 16 channels at level "0", but gives 8/,
    ],
    [
      'strides',
      () => twoMaps({ strides: [8, 32] }),
      /Backbone maps declares stride 32 at level "1", but makes 4 x 4 of 64 x 64: stride 16/,
    ],
    [
      'names',
      () => twoMaps({}, '{"0": a, "2": b}'),
      /Backbone maps declares 2 levels, "0", "1", but gives 2: "0", "2"/,
    ],
    ['the number of maps', () => twoMaps({}, '{"0": a}'), /declares 2 levels, .* but gives 1: "0"/],
  ];
  for (const [what, describeBackbone, message] of seenByRunning) {
    it(`says so when a detector is made: ${what}`, async () => {
      await assert.rejects(create(describeBackbone()), { code: 'ERR_BACKBONE_MISMATCH', message });
    });
  }

  it('says that nothing could be checked where the backbone wants other images', async () => {
    const messages: string[] = [];
    const picky = ownBackbone({
      name: 'picky',
      module: nn.module('Picky', {
        children: [['conv', nn.conv2d(3, 8, 100, { stride: 8 })]],
        source: nn.defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', [
          'return {"0": self.conv.forward(x)}',
        ]),
      }),
      featureNames: ['0'],
      channels: [8],
      strides: [8],
    });
    const detector = await create(picky, (message) => messages.push(message));
    assert.match(
      messages.join(),
      /Backbone picky does not run on an image of 64 x 64.*Kernel size/,
    );
    await detector.dispose();
  });

  it('cannot be described again from an archive alone', () => {
    const { description } = fasterRcnn({ ...SIZES, backbone: convNextLike(SMALL) });
    assert.throws(() => detectorFromDescription(description), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /"convnext-like"/,
    });
  });

  it('tries out modules by themselves', async () => {
    await using module = await nn.CompiledModule.compile(convNextLike(SMALL).module, {
      device: 'cpu',
    });
    const image = Tensor.from(new Float32Array(3 * 64 * 64), [1, 3, 64, 64]);
    const maps = (await module.call([image])) as Record<string, Tensor>;
    assert.deepEqual(
      Object.entries(maps).map(([name, map]) => [name, map.shape]),
      [
        ['0', [1, 16, 16, 16]],
        ['1', [1, 16, 8, 8]],
        ['2', [1, 16, 4, 4]],
        ['3', [1, 16, 2, 2]],
        ['pool', [1, 16, 1, 1]],
      ],
    );
  });
});
