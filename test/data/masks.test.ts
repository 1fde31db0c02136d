// Outlines to pixels, against pycocotools (test/oracle/data.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { rasterize, segmentationRle } from '../../lib/data';
import * as rle from '../../lib/detection/rle';
import { outlineFault } from '../../lib/data/masks';

interface Case {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  readonly polygons: readonly (readonly number[])[];
  readonly counts: string;
  readonly area: number;
}

const CASES = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/data/polygons.json'), 'utf8'),
) as readonly Case[];

describe('outlines of objects', () => {
  for (const { name, height, width, polygons, counts, area } of CASES) {
    it(`takes pycocotools' pixels: ${name}`, () => {
      const mask = rasterize(polygons, height, width);
      assert.equal(
        mask.reduce((sum, pixel) => sum + pixel, 0),
        area,
      );
      assert.deepEqual(segmentationRle(polygons, height, width), { size: [height, width], counts });
    });
  }

  it('has outlines of every kind among the cases', () => {
    assert.ok(CASES.length > 30 && CASES.some(({ area }) => area === 0));
    assert.ok(CASES.filter(({ area }) => area > 100).length > 15);
  });

  it('takes runs of both forms', () => {
    const runs = { size: [2, 3], counts: [1, 2, 3] } as const;
    const bitmap = Uint8Array.from([0, 1, 0, 1, 0, 0]);
    assert.deepEqual(rasterize(runs, 2, 3), bitmap);
    assert.deepEqual(rasterize(rle.compress(runs), 2, 3), bitmap);
  });

  it('says what is wrong with an outline', () => {
    assert.match(outlineFault([[1, 2, 3, 4]], 9, 9) ?? '', /3 points or more, this has 4 numbers/);
    assert.match(outlineFault([[1, 2, 3, 4, null, 6]], 9, 9) ?? '', /no finite number/);
    assert.match(outlineFault([], 9, 9) ?? '', /no polygons/);
    assert.match(outlineFault('x', 9, 9) ?? '', /neither polygons nor runs/);
    assert.match(outlineFault([5], 9, 9) ?? '', /a list of numbers/);
    assert.throws(() => rasterize({ size: [4, 5], counts: [20] }, 5, 4), {
      code: 'ERR_DATASET',
      message: /its runs are for 5 x 4 pixels, the image has 4 x 5/,
    });
    assert.throws(() => rasterize({ size: [4, 5], counts: [19] }, 4, 5), {
      code: 'ERR_INVALID_ARGUMENT',
    });
  });
});
