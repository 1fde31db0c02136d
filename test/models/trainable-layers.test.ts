// How many layers train, against what the installed torchvision wrote down (test/oracle/trainable_layers.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { buildModel, MODEL_NAMES, validateTrainableLayers } from '../../lib/models';
import type { NamedModelOptions, Pretrained } from '../../lib/models';
import { stateOf } from '../../lib/nn';

interface Counts {
  readonly default: number;
  /** Trainable tensors at 0, 1, 2, … layers. */
  readonly counts: readonly number[];
  /** Whether torchvision warned: without a number, then at 0, 1, 2, … */
  readonly warned: readonly boolean[];
}

interface Fixture {
  readonly models: readonly {
    readonly name: string;
    readonly layers: number;
    readonly detector: Counts;
    readonly backbone: Counts;
    readonly false: Counts;
  }[];
  readonly checks: readonly {
    readonly trained: boolean;
    readonly given: number | null;
    readonly max: number;
    readonly default: number;
    readonly layers?: number;
    readonly error?: string;
    readonly warned: boolean;
  }[];
}

const FIXTURE = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/structure/trainable.json'), 'utf8'),
) as Fixture;

/** Not torchvision's. */
const OWN_MODELS = ['small', 'fcos_imprv_r50_fpn_1x'];

describe('trainable layers against torchvision', () => {
  it('covers every model', () => {
    assert.deepEqual(
      FIXTURE.models.map(({ name }) => name).sort(),
      MODEL_NAMES.filter((name) => !OWN_MODELS.includes(name)).sort(),
    );
  });

  for (const model of FIXTURE.models) {
    const { name, layers } = model;
    for (const pretrained of ['detector', 'backbone', false] as const) {
      it(`${name}, pretrained: ${pretrained}`, () => {
        const expected = model[`${pretrained}`];
        const all = trained(name, pretrained, undefined);
        assert.deepEqual(all, { count: expected.default, warned: expected.warned[0] });
        for (let given = 0; given <= layers; given++) {
          assert.deepEqual(
            trained(name, pretrained, given),
            { count: expected.counts[given], warned: expected.warned[given + 1] },
            `${given} layers`,
          );
        }
        for (const given of [-1, layers + 1, 1.5]) {
          assert.throws(() => trained(name, pretrained, given), {
            code: 'ERR_OPTION_VALUE',
            message: `${name}: option "trainableBackboneLayers" must be an integer from 0 to ${layers}, got ${given}.`,
          });
        }
      });
    }
  }

  for (const {
    trained: pretrained,
    given,
    max,
    default: fallback,
    ...expected
  } of FIXTURE.checks) {
    const shown = given ?? 'nothing';
    it(`${shown} of ${max}, ${fallback} by default, with${pretrained ? '' : 'out'} weights`, () => {
      const validate = () =>
        validateTrainableLayers('model', given ?? undefined, { pretrained, max, fallback });
      const outside = given !== null && (given < 0 || given > max);
      if (outside) {
        // torchvision's own check, which it leaves out where nothing is pretrained.
        assert.equal(expected.error !== undefined, pretrained);
        assert.throws(validate, { message: new RegExp(`from 0 to ${max}, got ${given}`) });
        return;
      }
      const { trainableLayers, warnings } = validate();
      assert.equal(trainableLayers, expected.layers);
      assert.equal(warnings.length > 0, expected.warned);
    });
  }

  it('says in the warning what was given and what trains', () => {
    const rules = { pretrained: false, max: 5, fallback: 3 };
    assert.deepEqual(validateTrainableLayers('model', 2, rules).warnings, [
      'model: trainableBackboneLayers 2 has no effect without pretrained weights: all 5 layers of the backbone train.',
    ]);
  });
});

function trained(name: string, pretrained: Pretrained, given: number | undefined) {
  const options: NamedModelOptions = {
    pretrained,
    ...(given !== undefined && { trainableBackboneLayers: given }),
  };
  const { module, warnings } = buildModel(name, options);
  const parameters = [...stateOf(module)].filter((entry) => entry.kind === 'parameter');
  const count = parameters.filter(({ requiresGrad }) => requiresGrad).length;
  return { count, warned: warnings.some((text) => text.includes('trainableBackboneLayers')) };
}
