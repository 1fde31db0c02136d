// SSD's and SSDlite's names, shapes, order, freezing, configuration and first values against what the installed torchvision
// wrote down (test/oracle/ssd_structure.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { DenseConfig } from '../../binding';
import { ssdLiteMobileNet, ssdVgg16 } from '../../lib/backbones';
import type { Backbone, MobileNetV3Name } from '../../lib/backbones';
import { backboneState } from '../../lib/checkpoints/backbone-state';
import type { Checkpoint } from '../../lib/checkpoints';
import { buildModel, detectorFromDescription } from '../../lib/models';
import type { DetectorSpec, NamedModelOptions } from '../../lib/models';
import { countParameters, stateOf } from '../../lib/nn';
import type { Initializer, ModuleSpec } from '../../lib/nn';
import { assertStructure } from './structure';
import type { Structure } from './structure';

interface BackboneCase extends Structure {
  readonly builder: string;
  readonly name: string;
  readonly options: object;
  readonly featureNames: readonly string[];
  readonly channels: readonly number[];
}

interface ModelCase extends Structure {
  readonly name: 'ssd300_vgg16' | 'ssdlite320_mobilenet_v3_large';
  readonly options: NamedModelOptions;
  /** eps and momentum of every BatchNorm. */
  readonly norms: readonly (readonly [number, number])[];
  readonly config: DenseConfig;
}

const FIXTURE = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/structure/ssd.json'), 'utf8'),
) as {
  readonly backbones: readonly BackboneCase[];
  readonly models: readonly ModelCase[];
  readonly pretrained: readonly {
    readonly builder: string;
    readonly name: string;
    /** Names in the classifier and in the backbone. */
    readonly pairs: readonly (readonly [string, string])[];
  }[];
  readonly initial: readonly {
    readonly name: string;
    /** Name, mean and standard deviation. */
    readonly values: readonly (readonly [string, number, number])[];
  }[];
};

function build(builder: string, name: string, options: object): Backbone {
  if (builder === 'ssdVgg16') return ssdVgg16(options);
  return ssdLiteMobileNet(name as MobileNetV3Name, options);
}

/** The prefixes a detector or backbone says are frozen, against the parameters that are. */
function assertFrozen(module: ModuleSpec, frozen: readonly string[]): void {
  const parameters = [...stateOf(module)].filter((entry) => entry.kind === 'parameter');
  for (const entry of parameters) {
    const said = frozen.some((prefix) => entry.name.startsWith(prefix));
    assert.equal(said, !entry.requiresGrad, entry.name);
  }
}

/** [eps, momentum] of every BatchNorm, as written into its source. */
function normsOf(module: ModuleSpec): string[] {
  const found = [...module.source.matchAll(/batch_norm\(.*, ([^,]+), ([^,]+), True\)/g)].map(
    ([, momentum, eps]) => `${Number(eps)} ${Number(momentum)}`,
  );
  return [...found, ...(module.children ?? []).flatMap(([, child]) => normsOf(child))];
}

describe('backbones of SSD against torchvision', () => {
  for (const expected of FIXTURE.backbones) {
    const { builder, name, options } = expected;
    it(`${builder} ${name} ${JSON.stringify(options)}`, () => {
      const backbone = build(builder, name, options);
      assertStructure(backbone.module, expected);
      assert.deepEqual(backbone.featureNames, expected.featureNames);
      assert.deepEqual(backbone.channels, expected.channels);
      assert.equal(backbone.strides.length, expected.channels.length);
      assertFrozen(backbone.module, backbone.frozen);
    });
  }

  it('has the strides of its convolutions', () => {
    assert.deepEqual(ssdVgg16().strides, [8, 16, 32, 64, 64, 64]);
    assert.deepEqual(ssdVgg16({ highres: true }).strides, [8, 16, 32, 64, 64, 64, 64]);
    const large = ssdLiteMobileNet('mobilenet_v3_large');
    assert.deepEqual(large.strides, [16, 32, 64, 128, 256, 512]);
    assert.deepEqual(ssdLiteMobileNet('mobilenet_v3_small').strides, large.strides);
  });

  for (const { builder, name, pairs } of FIXTURE.pretrained) {
    it(`every tensor of ${name} goes where torchvision's extractor has it`, () => {
      const backbone = build(builder, name, {});
      const names = new Set([...stateOf(backbone.module)].map((entry) => entry.name));
      const tensor = (key: string) => ({ key }) as never;
      const classifier = [...pairs.map(([key]) => key), 'classifier.0.weight', 'features.99.bias'];
      const checkpoint = {
        tensors: new Map(classifier.map((key) => [key, tensor(key)])),
      } as unknown as Checkpoint;
      const hint = backbone.pretrained;
      assert.ok(hint);
      assert.equal(hint.weights, name);
      const state = backboneState(checkpoint, (key) => names.has(key), hint.to, hint.moved);
      const moved = [...state.tensors].map(([to, from]) => [
        (from as never as { key: string }).key,
        to,
      ]);
      assert.deepEqual(moved.sort(), pairs.map((pair) => [...pair]).sort());
    });
  }
});

describe('SSD and SSDlite against torchvision', () => {
  for (const expected of FIXTURE.models) {
    it(`${expected.name} ${JSON.stringify(expected.options)}`, () => {
      const spec: DetectorSpec = buildModel(expected.name, expected.options);
      assertStructure(spec.module, expected);
      assert.deepEqual(spec.config, expected.config);
      assertFrozen(spec.module, spec.trainable.frozen);
      const norms = new Set(normsOf(spec.module));
      assert.deepEqual(
        [...norms],
        expected.norms.map((norm) => norm.join(' ')),
      );
      assert.deepEqual(spec.warnings, []);
    });
  }

  it('has the parameters torchvision publishes', () => {
    const count = (name: string): number =>
      countParameters(buildModel(name, { pretrained: 'detector' }).module);
    assert.equal(count('ssd300_vgg16'), 35_641_826);
    assert.equal(count('ssdlite320_mobilenet_v3_large'), 3_440_060);
  });

  for (const { name, values } of FIXTURE.initial) {
    it(`${name} begins with torchvision's values`, () => {
      const inits = initializersOf(buildModel(name).module);
      assert.equal(inits.size, values.length);
      for (const [key, mean, std] of values) {
        const { shape, init } = inits.get(key) ?? {};
        assert.ok(shape && init, key);
        const expected = momentsOf(init, shape);
        const count = shape.reduce((product, n) => product * n, 1);
        // The sample's own spread, and the four digits of the file.
        const slack = 5 / Math.sqrt(2 * count) + 1e-3;
        assert.ok(Math.abs(std - expected.std) <= slack * expected.std, `${key}: std ${std}`);
        assert.ok(Math.abs(mean - expected.mean) <= 5 * (expected.std / Math.sqrt(count)), key);
      }
    });
  }

  it('is described again from what an archive carries', () => {
    const options = { numClasses: 5, scoreThresh: 0.2, trainableBackboneLayers: 2 };
    for (const name of ['ssd300_vgg16', 'ssdlite320_mobilenet_v3_large'] as const) {
      const spec = buildModel(name, { ...options, pretrained: 'backbone' });
      const again = detectorFromDescription(
        JSON.parse(JSON.stringify(spec.description)) as typeof spec.description,
      );
      assert.deepEqual(again, spec);
    }
  });
});

function initializersOf(
  module: ModuleSpec,
  prefix = '',
): Map<string, { readonly shape: readonly number[]; readonly init: Initializer }> {
  const own = Object.entries(module.parameters ?? {}).map(
    ([name, { shape, init }]) => [prefix + name, { shape, init }] as const,
  );
  const below = (module.children ?? []).flatMap(([name, child]) => [
    ...initializersOf(child, `${prefix}${name}.`),
  ]);
  return new Map([...own, ...below]);
}

/** Mean and standard deviation that torch.nn.init's formulas lead to. */
function momentsOf(
  init: Initializer,
  shape: readonly number[],
): { readonly mean: number; readonly std: number } {
  const field = shape.slice(2).reduce((product, n) => product * n, 1);
  const fans = { in: (shape[1] ?? 0) * field, out: (shape[0] ?? 0) * field };
  switch (init.kind) {
    case 'constant':
      return { mean: init.value, std: 0 };
    case 'normal':
      return init;
    case 'xavierUniform':
      return { mean: 0, std: init.gain * Math.sqrt(2 / (fans.in + fans.out)) };
    case 'kaimingNormal':
      assert.equal(init.nonlinearity, 'relu');
      return { mean: 0, std: Math.sqrt(2 / (init.mode === 'fanOut' ? fans.out : fans.in)) };
    default:
      return assert.fail(`no SSD draws by ${init.kind}`);
  }
}
