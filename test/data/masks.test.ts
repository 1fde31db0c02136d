// Outlines to pixels, against pycocotools (test/oracle/data.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { rasterize, segmentationRle } from '../../lib/data';
import * as rle from '../../lib/detection/rle';
import { outlineFault, outlineStray } from '../../lib/data/masks';

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

  it('draws what is in the image however far an outline goes', () => {
    for (const far of [1e6, 1e9, 1e300]) {
      const mask = rasterize([[1, 1, far, 1, 10, 10]], 48, 64);
      // The long side goes down by less than a pixel from 10, 10 to the edge.
      assert.deepEqual([mask[2 * 64 + 60], mask[9 * 64 + 60], mask[12 * 64 + 60]], [1, 1, 0]);
      const down = rasterize([[1, 1, 1, far, 10, 10]], 48, 64);
      assert.deepEqual([down[40 * 64 + 4], down[40 * 64 + 12]], [1, 0]);
    }
  });

  it('tells outlines that lie far outside from those that go a little beyond', () => {
    assert.match(
      outlineStray([[1, 1, 1e9, 1, 10, 10]], 48, 64) ?? '',
      /\[1000000000, 1\].*64 x 48/,
    );
    assert.match(outlineStray([[1, 1, 5, -65, 10, 10]], 48, 64) ?? '', /\[5, -65\]/);
    assert.equal(outlineStray([[-20, -20, 100, -20, 100, 70]], 48, 64), undefined);
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
