// Gradients reach every parameter of a detector on a backbone of one's own. Python computes them on the saved archive
// (test/oracle/gradients.py): set TORCHDET_ORACLE_PYTHON to one that has torch.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { convNextLike } from '../../examples/own-backbone/convnext-like';
import { Detector, fasterRcnn, retinaNet, vggFpn } from '../../lib';
import type { DetectorSpec } from '../../lib';
import { TemporaryFolder } from '../detector/helpers';

const PYTHON = process.env.TORCHDET_ORACLE_PYTHON;
const SMALL = { blocks: [1, 2, 1, 1], channels: [8, 16, 24, 32], outChannels: 16 };
const HEAD = { kind: 'twoMlp', representationSize: 16 } as const;

const CASES: Readonly<Record<string, () => DetectorSpec>> = {
  "Faster R-CNN on one's own": () =>
    fasterRcnn({ backbone: convNextLike(SMALL), numClasses: 3, boxHead: HEAD }),
  "RetinaNet on one's own": () =>
    retinaNet({ backbone: convNextLike({ ...SMALL, extraBlocks: 'p6p7' }), numClasses: 3 }),
  'Faster R-CNN on VGG': () =>
    fasterRcnn({ backbone: vggFpn('vgg11', { outChannels: 16 }), numClasses: 3, boxHead: HEAD }),
};

describe('gradients', () => {
  for (const [what, describeDetector] of Object.entries(CASES)) {
    it(`${what}: every trainable parameter has one`, async function () {
      if (!PYTHON) this.skip();
      const quiet = { device: 'cpu', onMessage: () => undefined };
      await using detector = await Detector.create(describeDetector(), quiet);
      using folder = new TemporaryFolder();
      const path = join(folder.path, 'detector.pt');
      await detector.save(path);
      const script = join(__dirname, '..', 'oracle', 'gradients.py');
      const { stdout } = await promisify(execFile)(PYTHON, ['-B', script, path]);
      assert.deepEqual(JSON.parse(stdout), {
        trainable: (await detector.trainableParameters()).length,
        without: [],
      });
    });
  }
});
