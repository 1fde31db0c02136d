import assert from 'node:assert/strict';
import { modelsTable, reportModels } from '../../lib/cli/models';
import { plainTable, shortFloat, toJson } from '../../lib/cli/report';

describe('reports', () => {
  it('prints float32 numbers short, and exact', () => {
    assert.equal(shortFloat(Math.fround(0.9)), 0.9);
    assert.equal(shortFloat(Math.fround(123.456)), 123.456);
    assert.equal(shortFloat(0), 0);
    assert.equal(shortFloat(15.170361518859863), 15.1703615);
    let value = 1;
    for (let i = 0; i < 500; i++) {
      value = Math.fround((value * 16807) % 2147483647);
      const number = Math.fround(value / 1e6);
      assert.equal(Math.fround(shortFloat(number)), number);
    }
  });

  it('prints JSON with one image a line', () => {
    const image = { image: 'a\n".jpg', width: 1, height: 2, detections: [] };
    const text = toJson([image, image]);
    assert.deepEqual(JSON.parse(text), [image, image]);
    assert.equal(text.trimEnd().split('\n').length, 4);
    assert.deepEqual(JSON.parse(toJson([])), []);
  });

  it('aligns tables without escape codes', () => {
    const text = plainTable(
      ['a', 'n'],
      [
        ['long name', '1'],
        ['b', '100'],
      ],
      [1],
    );
    assert.equal(text, 'a             n\nlong name     1\nb           100\n');
  });

  it('lists every model with its parameters and published weights', () => {
    const models = reportModels();
    const resnet = models.find(({ name }) => name === 'fasterrcnn_resnet50_fpn');
    assert.ok(resnet && resnet.parameters > 41.7e6 && resnet.parameters < 41.9e6);
    assert.deepEqual(
      resnet.weights.map(({ name, boxAp }) => [name, boxAp]),
      [['FasterRCNN_ResNet50_FPN_Weights.COCO_V1', 37]],
    );
    const table = modelsTable(models);
    assert.match(table, /^fasterrcnn_resnet50_fpn +41\.8 M +134\.4 +37\.0 +COCO_V1/m);
    for (const { name } of models) assert.ok(table.includes(name));
  });
});
