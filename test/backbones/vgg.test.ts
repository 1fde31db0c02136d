// VGG backbones: which layers are returned and frozen, their strides, and what is said of layers that do not fit. Values are
// compared with torchvision in test/parity, names of pretrained weights in pretrained.test.ts.
import assert from 'node:assert/strict';
import { fasterRcnn, VGG_NAMES, vggFeatures, vggFpn } from '../../lib';
import type { Backbone, VggFpnOptions } from '../../lib';
import { detectorFromDescription } from '../../lib/models';
import { countParameters, stateOf } from '../../lib/nn';

function parameters(backbone: Backbone, trains: boolean): string[] {
  return [...stateOf(backbone.module)]
    .filter((entry) => entry.kind === 'parameter' && entry.requiresGrad === trains)
    .map(({ name }) => name);
}

describe('VGG', () => {
  it('has as many layers and parameters as torchvision', () => {
    // len(features) and the parameters of features, without and with batch norm.
    const expected = {
      vgg11: [21, 9_220_480, 29, 9_225_984],
      vgg13: [25, 9_404_992, 35, 9_410_880],
      vgg16: [31, 14_714_688, 44, 14_723_136],
      vgg19: [37, 20_024_384, 53, 20_035_392],
    };
    for (const name of VGG_NAMES) {
      const counted = [false, true].flatMap((batchNorm) => {
        const layers = vggFeatures(name, { batchNorm });
        return [
          layers.length,
          layers.reduce((sum, { module }) => sum + countParameters(module), 0),
        ];
      });
      assert.deepEqual(counted, expected[name], name);
    }
  });

  it('returns the last convolution of 64, 128, 256 and 512 channels', () => {
    const keys = (options: VggFpnOptions = {}): string[] =>
      VGG_NAMES.map((name) =>
        [...stateOf(vggFpn(name, options).module)]
          .map(({ name: key }) => /^body\.(\d+)\.bias/.exec(key)?.[1] ?? '')
          .filter((index) => index !== '')
          .at(-1),
      ).map((last) => last ?? '');
    assert.deepEqual(keys(), ['18', '22', '28', '34']);
    assert.deepEqual(keys({ batchNorm: true }), ['25', '31', '40', '49']);
    for (const name of VGG_NAMES) {
      const backbone = vggFpn(name);
      assert.deepEqual(backbone.featureNames, ['0', '1', '2', '3', 'pool']);
      assert.deepEqual(backbone.strides, [1, 2, 4, 16, 32]);
      assert.deepEqual(backbone.channels, [256, 256, 256, 256, 256]);
    }
    const own = vggFpn('vgg16', {
      returnedLayers: [10, 17, 24],
      extraBlocks: 'p6p7',
      outChannels: 64,
    });
    assert.deepEqual(own.strides, [4, 8, 16, 32, 64]);
    assert.deepEqual(own.channels, [64, 64, 64, 64, 64]);
  });

  it('gives one map without a pyramid', () => {
    const { module, featureNames, strides, channels } = vggFpn('vgg16', { fpn: false });
    assert.deepEqual([featureNames, strides, channels], [['0'], [16], [256]]);
    const state = [...stateOf(module)].map(({ name, shape }) => `${name} ${shape.join('x')}`);
    assert.deepEqual(state.slice(0, 2), ['0.0.weight 64x3x3x3', '0.0.bias 64']);
    assert.deepEqual(state.slice(-4), [
      '0.28.weight 512x512x3x3',
      '0.28.bias 512',
      '1.weight 256x512x1x1',
      '1.bias 256',
    ]);
  });

  it('freezes the layers below an index', () => {
    const frozen = (options: VggFpnOptions): string[] => {
      const backbone = vggFpn('vgg16', options);
      const names = parameters(backbone, false);
      for (const name of names) {
        assert.ok(
          backbone.frozen.some((prefix) => name.startsWith(prefix)),
          name,
        );
      }
      for (const name of parameters(backbone, true)) {
        assert.ok(!backbone.frozen.some((prefix) => name.startsWith(prefix)), name);
      }
      return names
        .filter((name) => name.endsWith('weight'))
        .map((name) => name.split('.')[1] ?? '');
    };
    assert.deepEqual(frozen({}), ['0', '2', '5', '7']);
    assert.deepEqual(frozen({ frozenLayers: 0 }), []);
    assert.deepEqual(frozen({ frozenLayers: 10 }), ['0', '2', '5', '7']);
    assert.deepEqual(frozen({ frozenLayers: 11 }), ['0', '2', '5', '7', '10']);
    assert.equal(frozen({ frozenLayers: 30 }).length, 13);
    assert.equal(frozen({ frozenLayers: 30, fpn: false }).length, 13);
    // With batch norm the third stage begins at 14.
    assert.deepEqual(frozen({ batchNorm: true }), ['0', '3', '7', '10']);
    const batch = { batchNorm: true, norm: 'batch', frozenLayers: 2 } as const;
    assert.deepEqual(frozen(batch), ['0', '1']);
  });

  it('refuses layers and options that do not fit', () => {
    const wrong: [VggFpnOptions | object, RegExp][] = [
      [
        { returnedLayers: [3] },
        /"returnedLayers\[0\]".*layer 3 is a ReLU, the nearest are 2 and 5, got 3/,
      ],
      [
        { returnedLayers: [2, 30] },
        /"returnedLayers\[1\]".*layer 30 is a pooling, the nearest are 28, got 30/,
      ],
      [{ returnedLayers: [4] }, /layer 4 is a pooling, the nearest are 2 and 5/],
      [{ batchNorm: true, returnedLayers: [4] }, /layer 4 is a norm, the nearest are 3 and 7/],
      [{ returnedLayers: [31] }, /"returnedLayers\[0\]".*from 0 to 30, got 31/],
      [{ returnedLayers: [28, 2] }, /ascending/],
      [{ returnedLayers: [] }, /not empty/],
      [{ frozenLayers: 31 }, /"frozenLayers".*from 0 to 30, got 31/],
      [{ frozenLayers: -1 }, /"frozenLayers".*from 0 to 30, got -1/],
      [{ norm: 'batch' }, /"norm".*without batchNorm: true, got "batch"/],
      [{ normEps: 0 }, /"normEps".*without batchNorm: true, got 0/],
      [{ batchNorm: true, norm: 'group' }, /"norm".*"frozen", "batch"/],
      [{ fpn: 'yes' }, /"fpn".*true or false, got "yes"/],
      [{ fpn: false, extraBlocks: 'p6p7' }, /"extraBlocks".*no pyramid/],
      [{ fpn: false, fpnNorm: 'batch' }, /"fpnNorm".*no pyramid/],
      [{ extraBlocks: 'p5' }, /"extraBlocks"/],
      [{ outChannels: 0 }, /"outChannels".*at least 1/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(() => vggFpn('vgg16', options), { code: 'ERR_OPTION_VALUE', message });
    }
    assert.throws(() => vggFpn('vgg19', { frozenLayers: 37 }), { message: /from 0 to 36/ });
    assert.throws(() => vggFpn('vgg61' as 'vgg16'), { message: /"vgg61".*Did you mean "vgg1\d"/ });
    assert.throws(() => vggFpn('vgg16', { frozenLayer: 3 } as VggFpnOptions), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /"frozenLayers"/,
    });
  });

  it('is made again from its description', () => {
    const backbone = vggFpn('vgg13', { batchNorm: true, fpn: false, frozenLayers: 3 });
    const spec = fasterRcnn({ backbone, numClasses: 3 });
    const description = JSON.parse(JSON.stringify(spec.description)) as typeof spec.description;
    assert.deepEqual(detectorFromDescription(description), spec);
  });
});
