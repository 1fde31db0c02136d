// Names, shapes, order, freezing, levels and configuration against what the installed torchvision wrote down
// (test/oracle/structure.py).
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RcnnConfig } from '../../binding';
import { mobileNet, mobileNetFpn, resnetFpn } from '../../lib/backbones';
import type { Backbone, MobileNetName, ResnetName } from '../../lib/backbones';
import { buildModel, listModels, MODEL_NAMES } from '../../lib/models';
import type { NamedModelOptions } from '../../lib/models';
import { countParameters, stateOf } from '../../lib/nn';
import type { ModuleSpec } from '../../lib/nn';

interface Structure {
  readonly tensors: number;
  readonly trainable: number;
  readonly parameters: number;
  readonly sha256: string;
  readonly list?: readonly string[];
}

interface BackboneCase extends Structure {
  readonly builder: 'resnetFpn' | 'mobileNetFpn' | 'mobileNet';
  readonly name: string;
  readonly options: object;
  readonly featureNames: readonly string[];
  readonly channels: readonly number[];
  readonly strides: readonly number[];
}

interface ModelCase extends Structure {
  readonly name: string;
  readonly options: NamedModelOptions;
  readonly normEps: number;
  readonly config: RcnnConfig;
}

function readCases(name: string): unknown {
  const file = path.join(__dirname, '../fixtures/structure', `${name}.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { cases: unknown }).cases;
}

const BACKBONES = readCases('backbones') as readonly BackboneCase[];
const MODELS = readCases('models') as readonly ModelCase[];

function linesOf(module: ModuleSpec): string[] {
  return [...stateOf(module)].map((entry) => {
    let kind = 'buffer';
    if (entry.kind === 'parameter') kind = entry.requiresGrad ? 'train' : 'frozen';
    return `${entry.name} ${entry.shape.join('x')} ${kind}`;
  });
}

function assertStructure(module: ModuleSpec, expected: Structure): void {
  const lines = linesOf(module);
  if (expected.list) assert.deepEqual(lines, expected.list);
  assert.equal(lines.length, expected.tensors, 'tensors in the state dict');
  assert.equal(lines.filter((line) => line.endsWith(' train')).length, expected.trainable);
  assert.equal(countParameters(module), expected.parameters);
  const digest = createHash('sha256').update(lines.map((line) => `${line}\n`).join(''));
  assert.equal(digest.digest('hex'), expected.sha256, 'list of tensors');
}

function build({ builder, name, options }: BackboneCase): Backbone {
  if (builder === 'resnetFpn') return resnetFpn(name as ResnetName, options);
  return (builder === 'mobileNet' ? mobileNet : mobileNetFpn)(name as MobileNetName, options);
}

/** eps of every norm in the backbone's body, as written into its source. */
function normEps(module: ModuleSpec): Set<number> {
  const written = /(?:batch_norm\(.*, ([^,]+), True\)|rsqrt\(var \+ ([^)]+)\))/g;
  const found = [...module.source.matchAll(written)].map(([, batch, frozen]) =>
    Number(batch ?? frozen),
  );
  for (const [, child] of module.children ?? []) found.push(...normEps(child));
  return new Set(found);
}

function descend(module: ModuleSpec, name: string): ModuleSpec {
  const child = module.children?.find(([candidate]) => candidate === name)?.[1];
  assert.ok(child, `no child "${name}"`);
  return child;
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
      const spec = buildModel(expected.name, expected.options);
      assertStructure(spec.module, expected);
      assert.deepEqual(spec.config, expected.config);
      const body = descend(descend(spec.module, 'backbone'), 'body');
      assert.deepEqual([...normEps(body)], [expected.normEps]);
      assert.equal(spec.name, expected.name);
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
      const counts = MODELS.filter((c) => c.name === name).map((c) => c.parameters);
      assert.ok(counts.includes(parameters), `${name}: ${parameters}`);
      assert.notEqual(description, '');
    }
  });
});
