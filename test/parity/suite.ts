import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Detector } from '../../lib';
import type { DetectorSpec } from '../../lib/models';
import { filledDetector } from './detectors';
import { readGolden } from './golden';
import type { Golden } from './golden';

/** Compares one stage with what the golden file has for it. */
export type StageCheck = (detector: Detector, golden: Golden) => Promise<void>;

/**
 * The tests of a folder of golden files: that files and cases belong together, and every check on each case's detector, filled
 * with the weights of the file.
 */
export function goldenSuite(
  folder: string,
  cases: Readonly<Record<string, () => DetectorSpec>>,
  checks: Readonly<Record<string, StageCheck>>,
): void {
  it('has a golden file for every case and a case for every file', () => {
    const files = readdirSync(folder).map((name) => name.replace('.safetensors', ''));
    assert.deepEqual(files.sort(), Object.keys(cases).sort());
  });

  for (const [name, describeCase] of Object.entries(cases)) {
    describe(name, () => {
      let golden: Golden;
      let detector: Detector;

      before(async function () {
        const path = join(folder, `${name}.safetensors`);
        if (!existsSync(path)) this.skip();
        golden = readGolden(path);
        detector = await filledDetector(describeCase(), golden);
      });
      after(async () => {
        // Nothing was made where the hook above failed.
        await (detector as Detector | undefined)?.dispose();
      });

      for (const [stage, check] of Object.entries(checks)) {
        it(stage, () => check(detector, golden));
      }
    });
  }
}
