// RetinaNet and FCOS: names, shapes, order, freezing, configuration and first values against what the installed torchvision wrote
// down (test/oracle/dense_structure.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { DenseConfig } from '../../binding';
import { buildModel, listModels } from '../../lib/models';
import { compile, stateOf } from '../../lib/nn';
import { assertModel } from './structure';
import type { ModelCase } from './structure';

type Moments = readonly [name: string, mean: number, std: number];

const FIXTURE = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/structure/dense.json'), 'utf8'),
) as {
  readonly models: readonly ModelCase<DenseConfig>[];
  /** What torchvision drew for the pyramid and the head of an untrained model. */
  readonly initial: readonly { readonly name: string; readonly values: readonly Moments[] }[];
};

describe('RetinaNet and FCOS against torchvision', () => {
  for (const expected of FIXTURE.models) {
    it(`${expected.name} ${JSON.stringify(expected.options)}`, () => {
      assertModel(buildModel(expected.name, expected.options), expected);
    });
  }

  it('lists them with the parameters torchvision publishes', () => {
    const listed = new Map(listModels().map(({ name, parameters }) => [name, parameters]));
    assert.equal(listed.get('retinanet_resnet50_fpn'), 34_014_999);
    assert.equal(listed.get('retinanet_resnet50_fpn_v2'), 38_198_935);
    assert.equal(listed.get('fcos_resnet50_fpn'), 32_269_600);
  });

  it('says which prefixes are frozen', () => {
    const spec = buildModel('fcos_resnet50_fpn', { pretrained: 'backbone' });
    for (const entry of stateOf(spec.module)) {
      if (entry.kind !== 'parameter') continue;
      const said = spec.trainable.frozen.some((prefix) => entry.name.startsWith(prefix));
      assert.equal(said, !entry.requiresGrad, entry.name);
    }
  });
});

describe('first values of RetinaNet and FCOS', function () {
  this.timeout(60_000);
  for (const { name, values } of FIXTURE.initial) {
    it(`${name} draws as torchvision does`, async () => {
      await using module = await compile(buildModel(name).module, { device: 'cpu', seed: 1 });
      const state = await module.stateDict();
      const names = Object.keys(state).filter(
        (key) => /^(head|backbone\.fpn)\./.test(key) && !key.includes('running_'),
      );
      assert.deepEqual(names.sort(), values.map(([key]) => key).sort());
      for (const [key, mean, std] of values) {
        const found = moments(state[key]?.data as Float32Array);
        if (std < 1e-5) {
          // A constant but for rounding: the prior probability's bias, zeros, a norm's ones. The file has five digits.
          assert.ok(Math.abs(found.mean - mean) <= 1e-4 * Math.abs(mean), `${key}: ${found.mean}`);
          assert.ok(found.std <= 1e-6, key);
          continue;
        }
        // Two samples of one distribution: five standard errors of either estimate.
        const spread = 5 * Math.sqrt(2 / found.count);
        assert.ok(Math.abs(found.mean - mean) <= spread * std, `${key}: mean ${found.mean}`);
        assert.ok(Math.abs(found.std / std - 1) <= spread, `${key}: std ${found.std}`);
      }
    });
  }
});

function moments(data: Float32Array): { count: number; mean: number; std: number } {
  const count = data.length;
  const mean = data.reduce((sum, value) => sum + value, 0) / count;
  const squares = data.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { count, mean, std: Math.sqrt(squares / count) };
}
