// The small detector's description against the weights that ship with the package.
import assert from 'node:assert/strict';
import { statSync } from 'node:fs';
import { readSafetensors } from '../../lib';
import { detectorFromDescription, smallDetector } from '../../lib/models';
import type { DetectorSpec } from '../../lib/models';
import { stateOf } from '../../lib/nn';
import { DEFAULT_WEIGHTS } from '../../lib/runtime/addons';

describe('the small detector', () => {
  const weights = readSafetensors(DEFAULT_WEIGHTS);

  it('has the tensors of the weights that ship, which are stored in half precision', () => {
    const shipped = [...weights.tensors].map(([name, { shape }]) => `${name} ${shape.join('x')}`);
    const described = [...stateOf(smallDetector({ pretrained: 'detector' }).module)].map(
      ({ name, shape }) => `${name} ${shape.join('x')}`,
    );
    assert.deepEqual(described.sort(), shipped.sort());
    const dtypes = new Set([...weights.tensors.values()].map(({ dtype }) => dtype));
    assert.deepEqual([...dtypes], ['float16']);
    assert.ok(statSync(DEFAULT_WEIGHTS).size < 20e6);
  });

  it('has the classes and the numbers that they were trained with', () => {
    const trained = JSON.parse(weights.metadata.torchdet ?? '{}') as Partial<DetectorSpec>;
    const { config, categories, numClasses } = smallDetector({
      pretrained: 'detector',
      // As the recipe says (examples/everyday-detector).
      boxBatchSizePerImage: 128,
      rpnPreNmsTopNTrain: 1000,
      rpnPostNmsTopNTrain: 1000,
    });
    assert.deepEqual(trained.categories, categories);
    assert.deepEqual(trained.config, config);
    assert.equal(trained.numClasses, numClasses);
    assert.equal(numClasses, 14);
  });

  it('is for other classes where it is told so', () => {
    const spec = smallDetector({ pretrained: 'detector', numClasses: 4, minSize: 200 });
    assert.deepEqual([spec.name, spec.numClasses, spec.categories], ['small', 4, undefined]);
    assert.deepEqual(spec.config.transform.minSize, [200]);
    const named = smallDetector({ numClasses: 2, categories: ['__background__', 'cell'] });
    assert.deepEqual(named.categories, ['__background__', 'cell']);
    assert.throws(() => smallDetector({ categories: ['__background__', 'cell'] }), {
      code: 'ERR_OPTION_VALUE',
      message: /categories/,
    });
  });

  it('opens descriptions of the detector of people that it was before', () => {
    const { description } = smallDetector();
    const person = detectorFromDescription({ ...description, builder: 'person', options: {} });
    assert.deepEqual(person.categories, ['__background__', 'person']);
    assert.equal(person.numClasses, 2);
    assert.deepEqual(person.config, smallDetector().config);
  });
});
