import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Detector, fasterRcnn, resnetFpn, sgd } from '../../lib';
import { ROOT, TemporaryFolder } from '../detector/helpers';

/*
 * A step at full size against an installed torchvision: set TORCHDET_ORACLE_PYTHON to a Python that has torch, torchvision and
 * safetensors. Takes a minute. Of thousands of proposals some come or go by rounding, so what is drawn from them, the samples of
 * the RoI heads, may differ a little; what the RPN is trained by does not.
 */
const PYTHON = process.env.TORCHDET_ORACLE_PYTHON;
const TOLERANCE: Readonly<Record<string, number>> = {
  loss_classifier: 0.02,
  loss_box_reg: 0.02,
  loss_objectness: 1e-4,
  loss_rpn_box_reg: 1e-4,
};

interface Given {
  readonly height: number;
  readonly width: number;
  readonly learningRate: number;
  readonly boxes: readonly (readonly number[])[];
  readonly labels: readonly number[];
}

describe('a training step of fasterrcnn_resnet50_fpn against an installed torchvision', function () {
  this.timeout(600_000);

  before(function () {
    if (PYTHON) return;
    console.log('    TORCHDET_ORACLE_PYTHON is not set: no torchvision to compare with');
    this.skip();
  });

  it('has its losses, and those of the step after it', async () => {
    using folder = new TemporaryFolder();
    const worker = join(ROOT, 'bench', 'worker_training.py');
    const python = (layout: string, input = '') =>
      execFileSync(PYTHON ?? '', ['-B', worker, folder.path, 'pretrained', '2', layout], {
        input,
        encoding: 'utf8',
      });
    python('prepare');
    const [, first = '', , second = ''] = python('nchw', 'result\ntrial\nresult\n').split('\n');
    const path = join(folder.path, 'training-pretrained');
    const { height, width, learningRate, boxes, labels } = JSON.parse(
      readFileSync(`${path}.json`, 'utf8'),
    ) as Given;
    const spec = fasterRcnn({ backbone: resnetFpn('resnet50'), numClasses: 91 });
    await using detector = await Detector.create(spec, { device: 'cpu' });
    await detector.loadStateDict(`${path}.safetensors`);
    const optimizer = await detector.optimizer(
      sgd({ lr: learningRate, momentum: 0.9, weightDecay: 1e-4 }),
    );
    const image = { data: readFileSync(`${path}.rgb`), height, width, channels: 3 as const };
    for (const [step, line] of [first, second].entries()) {
      const expected = JSON.parse(line) as Record<string, number>;
      const options = step === 0 ? { optimizer, seed: 0 } : { optimizer };
      const { losses } = await detector.trainStep([{ image, boxes, labels }], options);
      assert.deepEqual(Object.keys(losses), Object.keys(expected));
      for (const [name, loss] of Object.entries(losses)) {
        const wanted = expected[name] ?? NaN;
        const difference = Math.abs(loss - wanted) / wanted;
        console.log(
          `      step ${step}, ${name}: ${loss}, differs by ${difference.toExponential(1)}`,
        );
        assert.ok(difference <= (TOLERANCE[name] ?? 0), `${name}: torchvision has ${wanted}`);
      }
    }
  });
});
