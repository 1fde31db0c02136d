import { filledDetector } from '../parity/detectors';
import { CASES, readTrainingGolden } from './rcnn-cases';
import { checkSeededRun } from './seeded-run';

describe("training R-CNNs against torchvision's: ten seeded steps", () => {
  for (const [name, build] of Object.entries(CASES)) {
    it(name, async () => {
      const golden = readTrainingGolden(name);
      await using detector = await filledDetector(build(), golden);
      await checkSeededRun(detector, golden);
    });
  }
});
