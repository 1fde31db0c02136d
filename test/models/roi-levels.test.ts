// Which map a RoI is pooled from where the strides leave a level out.
import assert from 'node:assert/strict';
import {
  Detector,
  fasterRcnn,
  maskRcnn,
  mobileNetFpn,
  nn,
  ownBackbone,
  resnetFpn,
  Tensor,
  vggFpn,
} from '../../lib';
import type { Backbone, RoiPoolOptions } from '../../lib';

/** Maps of constant values: 1 at the first level, 2 at the second, … */
function constantMaps(strides: readonly number[], side: number): Record<string, Tensor> {
  return Object.fromEntries(
    strides.map((stride, i) => {
      const cells = side / stride;
      const data = new Float32Array(cells * cells).fill(i + 1);
      return [`${i}`, Tensor.from(data, [1, 1, cells, cells])];
    }),
  );
}

/** Only declares its levels: the maps of these tests are made by hand. */
function declaring(strides: readonly number[]): Backbone {
  return {
    ...ownBackbone({
      name: 'hand-made',
      module: nn.module('HandMade', {
        source: nn.defineMethod('forward', 'x: Tensor', 'Dict[str, Tensor]', ['return {"0": x}']),
      }),
      featureNames: strides.map((_, i) => `${i}`),
      channels: strides.map(() => 1),
      strides,
    }),
    description: { builder: 'custom', name: 'hand-made', options: {} },
  };
}

const SIDE = 128;

/** The map, counted from 1, that squares of the given sides are pooled from; 0 where they get zeros. */
async function mapsOf(
  strides: readonly number[],
  sides: readonly number[],
  boxRoiPool: RoiPoolOptions,
): Promise<number[]> {
  const spec = fasterRcnn({
    backbone: declaring(strides),
    numClasses: 2,
    boxRoiPool: { outputSize: 1, canonicalScale: 16, canonicalLevel: 4, ...boxRoiPool },
    boxHead: { kind: 'twoMlp', representationSize: 4 },
  });
  const detector = await Detector.create(spec, { device: 'cpu', onMessage: () => undefined });
  const boxes = Float32Array.from(sides.flatMap((side) => [0, 0, side, side]));
  const { pooled } = await detector.stages.roiHeads(
    constantMaps(strides, SIDE),
    [Tensor.from(boxes, [sides.length, 4])],
    [[SIDE, SIDE]],
    [SIDE, SIDE],
  );
  const maps = [...pooled.data].map(Number);
  await detector.dispose();
  return maps;
}

// With canonical scale 16 at level 4 a square of side s belongs to stride s.
const SQUARES = [1, 2, 4, 8, 16, 32, 64];

describe('RoI levels', () => {
  const cases: [string, number[], number[], number[]][] = [
    // strides; maps with `nearest`; maps with `zeros`, which are torchvision's: level minus the first level is the map's index
    ['consecutive', [4, 8, 16, 32], [1, 1, 1, 2, 3, 4, 4], [1, 1, 1, 2, 3, 4, 4]],
    ["vgg16's", [1, 2, 4, 16], [1, 2, 3, 3, 4, 4, 4], [1, 2, 3, 4, 0, 0, 0]],
    ['one in the middle', [4, 16], [1, 1, 1, 1, 2, 2, 2], [1, 1, 1, 2, 0, 0, 0]],
    ['two in the middle', [2, 16, 32], [1, 1, 1, 1, 2, 3, 3], [1, 1, 2, 3, 0, 0, 0]],
    ["the two of MobileNet's", [32, 32], [1, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1]],
    ['two of the same above a gap', [8, 32, 32], [1, 1, 1, 1, 1, 2, 2], [1, 1, 1, 1, 2, 3, 3]],
    ['two of the same, nothing left out', [8, 8, 16], [1, 1, 1, 1, 3, 3, 3], [1, 1, 1, 1, 2, 2, 2]],
  ];
  for (const [what, strides, nearest, zeros] of cases) {
    it(`${what}: strides ${strides.join(', ')}`, async () => {
      assert.deepEqual(await mapsOf(strides, SQUARES, {}), nearest);
      assert.deepEqual(await mapsOf(strides, SQUARES, { missingLevels: 'zeros' }), zeros);
    });
  }

  const warningsOf = (backbone: Backbone, boxRoiPool: RoiPoolOptions = {}): readonly string[] =>
    fasterRcnn({ backbone, numClasses: 2, boxRoiPool }).warnings;

  it('says once what is left out, with numbers', () => {
    assert.deepEqual(warningsOf(vggFpn('vgg16')), [
      'fasterRcnn: boxRoiPool pools from strides 1, 2, 4, 16, which leave out 8: RoIs of stride 8 are pooled from stride 4 (missingLevels "nearest").',
    ]);
    assert.deepEqual(warningsOf(vggFpn('vgg16'), { missingLevels: 'zeros' }), [
      'fasterRcnn: boxRoiPool pools from strides 1, 2, 4, 16, which leave out 8: RoIs of stride 8 are pooled from stride 16; RoIs of stride 16 are zeros (missingLevels "zeros").',
    ]);
    const twice = mobileNetFpn('mobilenet_v2', { returnedLayers: [2, 4, 5] });
    assert.match(warningsOf(twice).join(), /strides 8, 32, 32, which leave out 16: .* stride 8 \(/);
  });

  it('says it of a branch as well', () => {
    const { warnings } = maskRcnn({ backbone: vggFpn('vgg16'), numClasses: 2 });
    assert.deepEqual(
      warnings.map((text) => text.split(' pools')[0]),
      ['maskRcnn: boxRoiPool', 'maskRcnn: maskRoiPool'],
    );
  });

  it('says nothing where no level is left out', () => {
    assert.deepEqual(warningsOf(resnetFpn('resnet18')), []);
    assert.deepEqual(warningsOf(mobileNetFpn('mobilenet_v3_large')), []);
    assert.deepEqual(warningsOf(vggFpn('vgg16', { fpn: false })), []);
    assert.deepEqual(warningsOf(vggFpn('vgg16'), { featmapNames: ['0', '1', '2'] }), []);
  });

  it('refuses another word', () => {
    const boxRoiPool = { missingLevels: 'zero' } as unknown as RoiPoolOptions;
    assert.throws(() => warningsOf(vggFpn('vgg16'), boxRoiPool), {
      code: 'ERR_OPTION_VALUE',
      message: /"missingLevels".*did you mean "zeros".*got "zero"/,
    });
  });
});
