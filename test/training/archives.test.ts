import { join } from 'node:path';
import { Detector } from '../../lib';
import { readTrainingGolden } from './rcnn-cases';
import { checkSeededRun } from './seeded-run';

const ARCHIVES = join(__dirname, '..', 'fixtures', 'archives');

describe('archives scripted by Python train here as there', () => {
  for (const name of ['fasterrcnn', 'retinanet']) {
    it(name, async () => {
      const golden = readTrainingGolden(`archive-${name}`);
      await using detector = await Detector.load(join(ARCHIVES, `${name}.pt`), { device: 'cpu' });
      await checkSeededRun(detector, golden);
    });
  }
});
