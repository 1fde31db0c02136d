import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { modelsTable, reportModels } from '../../lib/cli/models';
import { listWeights } from '../../lib';

describe('torchdet models', () => {
  it('has a line for every model and each of its weights', () => {
    const models = reportModels();
    const lines = modelsTable(models).trimEnd().split('\n');
    const expected = models.reduce((sum, { weights }) => sum + Math.max(weights.length, 1), 1);
    assert.equal(lines.length, expected);
    const line = lines.find((candidate) => candidate.startsWith('fasterrcnn_resnet50_fpn '));
    assert.match(line ?? '', /41\.8 M +134\.4 +37\.0 +COCO_V1, DEFAULT/);
  });

  it('has figures for every model, and all weights of detectors', () => {
    const models = reportModels();
    for (const { name, gigaFlops, parameters } of models) {
      assert.ok(gigaFlops !== null && gigaFlops > 0, `${name} has no GFLOPs`);
      assert.ok(parameters > 1e6, name);
    }
    const listed = models.flatMap(({ weights }) => weights.map(({ name }) => name)).sort();
    const published = listWeights()
      .filter(({ task }) => task === 'detection')
      .map(({ name }) => name);
    assert.deepEqual(listed, published.sort());
  });

  it('agrees with an installed torchvision in every figure', function () {
    const python = process.env.TORCHDET_ORACLE_PYTHON;
    if (!python) this.skip();
    this.timeout(600_000);
    const script = join(__dirname, '..', 'oracle', 'models.py');
    const { status, stdout, stderr } = spawnSync(python, ['-B', script], {
      input: JSON.stringify(reportModels()),
      encoding: 'utf8',
    });
    assert.equal(status, 0, stdout + stderr);
  });
});
