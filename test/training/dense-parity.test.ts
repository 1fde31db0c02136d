import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { filledDetector } from '../parity/detectors';
import { CASES } from './dense-cases';
import { readTrainingGolden } from './rcnn-cases';
import { checkSeededRun } from './seeded-run';

const FOLDER = join(__dirname, '..', 'fixtures', 'training', 'dense');

describe("training one-stage detectors against torchvision's: seeded steps", () => {
  it('has a golden file for every case and a case for every file', () => {
    const files = readdirSync(FOLDER).map((file) => file.replace('.safetensors', ''));
    assert.deepEqual(files.sort(), Object.keys(CASES).sort());
  });

  for (const [name, build] of Object.entries(CASES)) {
    it(name, async () => {
      const golden = readTrainingGolden(join('dense', name));
      await using detector = await filledDetector(build(), golden);
      await checkSeededRun(detector, golden);
    });
  }
});
