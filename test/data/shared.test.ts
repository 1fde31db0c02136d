// Public data sets, where they are there: TORCHDET_TEST_DATA names the folder that holds them.
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { datasetSplits, entryMasks, openDataset } from '../../lib/data';
import type { OpenOptions } from '../../lib/data';

const DATA = process.env.TORCHDET_TEST_DATA ?? resolve(__dirname, '../../../shared/data');

interface Known {
  readonly folder: string;
  readonly options?: OpenOptions;
  readonly format: string;
  readonly splits: readonly string[];
  readonly images: number;
  readonly objects: number;
  readonly classes: number;
  readonly problems: readonly string[];
}

const voc = { folder: 'bccd', format: 'voc', splits: ['train', 'trainval', 'val'], classes: 3 };
const coco128 = { folder: 'coco128', splits: ['train'], images: 128, objects: 929, classes: 80 };
const everyday = { folder: 'everyday', format: 'coco', splits: ['train', 'val'], classes: 80 };
const pennfudan = { folder: 'pennfudan', format: 'penn-fudan', splits: [], classes: 1 };

const KNOWN: readonly Known[] = [
  { ...voc, options: { split: 'train' }, images: 205, objects: 2804, problems: ['box-area'] },
  { ...voc, options: { split: 'val' }, images: 87, objects: 1137, problems: ['box-area'] },
  { ...coco128, format: 'coco', problems: [] },
  { ...coco128, format: 'yolo', options: { format: 'yolo' }, problems: [] },
  { ...pennfudan, images: 170, objects: 423, problems: [] },
  { ...everyday, options: { split: 'val' }, images: 351, objects: 1144, problems: [] },
];

describe('public data sets', () => {
  for (const { folder, options = {}, ...known } of KNOWN) {
    it(`${folder} ${JSON.stringify(options)}`, async function () {
      const path = join(DATA, folder);
      if (!existsSync(path)) {
        console.log(`      skipped: no ${path} (set TORCHDET_TEST_DATA)`);
        this.skip();
      }
      const dataset = await openDataset(path, options);
      let objects = 0;
      for (let i = 0; i < dataset.length; i++) objects += dataset.entry(i).length;
      assert.deepEqual(
        {
          format: dataset.format,
          splits: await datasetSplits(path, { format: options.format }),
          images: dataset.length,
          objects,
          classes: dataset.categories.length,
          problems: dataset.problems.map(({ kind }) => kind),
        },
        known,
      );
    });
  }

  it('coco128 has the same boxes in both of its formats', async function () {
    const path = join(DATA, 'coco128');
    if (!existsSync(path)) this.skip();
    const coco = await openDataset(path);
    const yolo = await openDataset(path, { format: 'yolo' });
    const byName = new Map<string | undefined, number>();
    for (let i = 0; i < yolo.length; i++) byName.set(yolo.entry(i).name.split('/').at(-1), i);
    for (let i = 0; i < coco.length; i++) {
      const [a, b] = [coco.entry(i), yolo.entry(byName.get(coco.entry(i).name) ?? -1)];
      assert.equal(a.length, b.length, a.name);
      for (let k = 0; k < a.length; k++) {
        const box = a.boxes.subarray(4 * k, 4 * k + 4);
        const found = Array.from(b.labels).some(
          (label, other) =>
            yolo.names[label] === coco.names[a.labels[k] ?? 0] &&
            box.every((side, i) => Math.abs(side - (b.boxes[4 * other + i] ?? NaN)) < 0.01),
        );
        assert.ok(found, `${a.where(k)}: ${String(box)}`);
      }
    }
  });

  it('everyday lists the classes marked in its images, and ids with holes keep their names', async function () {
    const path = join(DATA, 'everyday');
    if (!existsSync(path)) this.skip();
    const dataset = await openDataset(path, { split: 'val' });
    const sheep = dataset.categories.find(({ name }) => name === 'sheep');
    assert.deepEqual(
      [sheep?.id, sheep?.label, dataset.names[sheep?.label ?? 0]],
      [20, 19, 'sheep'],
    );
    for (let i = 0; i < dataset.length; i++) {
      const { labelledClasses, labels, name } = dataset.entry(i);
      // null in the file: everything is marked.
      assert.equal(labelledClasses === undefined, name.startsWith('coco_mini'), name);
      for (const label of labels) assert.ok(labelledClasses?.includes(label) ?? true, name);
    }
  });

  it('pennfudan has a mask for each person, with the area that the data set says', async function () {
    const path = join(DATA, 'pennfudan');
    if (!existsSync(path)) this.skip();
    const dataset = await openDataset(path);
    const entry = dataset.entry(0);
    const masks = await entryMasks(entry);
    assert.ok(masks);
    const size = entry.width * entry.height;
    const areas = Array.from(entry.areas, (_, k) =>
      masks.subarray(k * size, (k + 1) * size).reduce((sum, pixel) => sum + pixel, 0),
    );
    assert.deepEqual(areas, [...entry.areas]);
  });
});
