// Names, shapes, order, freezing, levels and configuration against what the installed torchvision wrote down
// (test/oracle/structure.py).
import assert from 'node:assert/strict';
import { mobileNet, mobileNetFpn, resnetFpn } from '../../lib/backbones';
import type { Backbone, MobileNetName, ResnetName } from '../../lib/backbones';
import { buildModel, listModels, MODEL_NAMES } from '../../lib/models';
import { listWeights } from '../../lib/models/weights';
import { stateOf } from '../../lib/nn';
import { assertModel, assertStructure, readCases } from './structure';
import type { ModelCase, Structure } from './structure';

interface BackboneCase extends Structure {
  readonly builder: 'resnetFpn' | 'mobileNetFpn' | 'mobileNet';
  readonly name: string;
  readonly options: object;
  readonly featureNames: readonly string[];
  readonly channels: readonly number[];
  readonly strides: readonly number[];
}

const BACKBONES = readCases('backbones') as readonly BackboneCase[];
const MODELS = readCases('models') as readonly ModelCase[];

function build({ builder, name, options }: BackboneCase): Backbone {
  if (builder === 'resnetFpn') return resnetFpn(name as ResnetName, options);
  return (builder === 'mobileNet' ? mobileNet : mobileNetFpn)(name as MobileNetName, options);
}

describe('backbones against torchvision', () => {
  for (const expected of BACKBONES) {
    const { builder, name, options } = expected;
    it(`${builder} ${name} ${JSON.stringify(options)}`, () => {
      const backbone = build(expected);
      assertStructure(backbone.module, expected);
      assert.deepEqual(backbone.featureNames, expected.featureNames);
      assert.deepEqual(backbone.channels, expected.channels);
      assert.deepEqual(backbone.strides, expected.strides);
      const frozen = [...stateOf(backbone.module)].filter(
        (entry) => entry.kind === 'parameter' && !entry.requiresGrad,
      );
      for (const { name: key } of frozen) {
        assert.ok(
          backbone.frozen.some((prefix) => key.startsWith(prefix)),
          key,
        );
      }
    });
  }

  it('freezes resnet50 as torchvision does at each number of layers', () => {
    const trainable = [0, 1, 2, 3, 4, 5].map((trainableLayers) => {
      const { module } = resnetFpn('resnet50', { trainableLayers });
      return [...stateOf(module)].filter((e) => e.kind === 'parameter' && e.requiresGrad).length;
    });
    // 16 of the pyramid, then 10, 19, 13, 10 convolutions of layer4 to layer1, then conv1.
    assert.deepEqual(trainable, [16, 26, 45, 58, 68, 69]);
  });
});

describe('models against torchvision', () => {
  for (const expected of MODELS) {
    it(`${expected.name} ${JSON.stringify(expected.options)}`, () => {
      assertModel(buildModel(expected.name, expected.options), expected);
    });
  }

  it('trains as many tensors of fasterrcnn_resnet50_fpn as torchvision at each number of layers', () => {
    const counts = [0, 1, 2, 3, 4, 5].map((trainableBackboneLayers) => {
      const options = { pretrained: 'backbone', trainableBackboneLayers } as const;
      const entries = [...stateOf(buildModel('fasterrcnn_resnet50_fpn', options).module)];
      return entries.filter((entry) => entry.kind === 'parameter' && entry.requiresGrad).length;
    });
    assert.deepEqual(counts, [30, 40, 59, 72, 82, 83]);
  });

  it('lists every model with the parameters torchvision publishes', () => {
    const listed = listModels();
    assert.deepEqual(
      listed.map((model) => model.name),
      MODEL_NAMES,
    );
    for (const { name, parameters, description } of listed) {
      const published = listWeights().find((entry) => entry.model === name);
      const ours = MODELS.find((entry) => entry.name === name);
      // Models that torchvision does not have are compared where their family is.
      const expected = published?.numParams ?? ours?.parameters;
      if (expected !== undefined) assert.equal(parameters, expected, name);
      assert.notEqual(description, '');
    }
  });
});
