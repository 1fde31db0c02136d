// Annotation files of COCO's kind.
import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasetSplits, describeProblem, entryMasks, openDataset } from '../../lib/data';
import type { DatasetProblem } from '../../lib/data';
import { cocoFile, cocoFiles, entriesOf, makeFiles, objectsOf, removeFiles } from './made-files';

const [a, b, empty] = cocoFile.images;

describe('data sets of COCO', () => {
  after(removeFiles);

  it('classes with holes in their ids keep names and ids', async () => {
    const dataset = await openDataset(await makeFiles(cocoFiles));
    assert.equal(dataset.format, 'coco');
    assert.deepEqual(dataset.names, ['__background__', 'dog', 'toothbrush']);
    assert.deepEqual(dataset.categories, [
      { label: 1, id: 18, name: 'dog', supercategory: 'animal' },
      { label: 2, id: 90, name: 'toothbrush' },
    ]);
    assert.deepEqual(
      entriesOf(dataset).map((entry) => objectsOf(dataset, entry)),
      [['toothbrush 2 2 12 10', 'dog 1 5 2 9'], ['dog 1.5 2.25 21.5 32.25'], []],
    );
    assert.deepEqual(dataset.problems, []);
    assert.deepEqual([...dataset.sizes], [30, 20, 40, 50, 16, 16]);
  });

  it('keeps ids, areas, crowds and lists of marked classes', async () => {
    const root = await makeFiles(cocoFiles);
    const dataset = await openDataset(root);
    const [first, second] = entriesOf(dataset);
    assert.ok(first && second);
    assert.equal(first.id, 7);
    assert.equal(first.name, 'a.png');
    assert.equal(first.image, join(root, 'images/a.png'));
    assert.deepEqual([...first.objectIds], [100, 102]);
    assert.deepEqual([...first.areas], [75.5, 4]);
    assert.deepEqual([...first.crowd], [0, 1]);
    assert.deepEqual(first.labelledClasses, [2, 1]);
    assert.equal(second.image, join(root, 'images/sub/b.png'));
    assert.deepEqual([...second.areas], [600]);
    assert.equal(second.labelledClasses, undefined);
    assert.match(second.where(0), /instances\.json:\d+ \(annotation 101\)$/);
    assert.throws(() => dataset.entry(3), { code: 'ERR_INVALID_ARGUMENT', message: /has 3/ });
  });

  it('reads outlines, polygons and runs, when they are asked for', async () => {
    const dataset = await openDataset(await makeFiles(cocoFiles));
    assert.ok(dataset.hasMasks);
    const [first, second] = entriesOf(dataset);
    assert.ok(first && second);
    assert.deepEqual(await first.segmentations?.(), [
      [[2, 2, 12, 2, 12, 10, 2, 10]],
      { size: [20, 30], counts: [25, 4, 571] },
    ]);
    assert.deepEqual(await second.segmentations?.(), [undefined]);
    const masks = await entryMasks(first);
    assert.ok(masks);
    assert.equal(masks.length, 2 * 600);
    assert.equal(masks.subarray(0, 600).filter(Boolean).length, 80);
    // Runs go down the columns: 25 pixels are one column of 20 and 5 of the next.
    const runs = masks.subarray(600);
    assert.deepEqual([runs[4 * 30 + 1], runs[5 * 30 + 1], runs[8 * 30 + 1]], [0, 1, 1]);
    assert.equal(runs.filter(Boolean).length, 4);
  });

  it('reads keypoints and their names', async () => {
    const keypoints = [5, 5, 2, 0, 0, 0];
    const root = await makeFiles({
      'person_keypoints_val2017.json': {
        images: [a],
        annotations: [
          { id: 1, image_id: 7, category_id: 1, bbox: [0, 0, 9, 9], keypoints },
          { id: 2, image_id: 7, category_id: 1, bbox: [0, 0, 8, 8] },
        ],
        categories: [{ id: 1, name: 'person', keypoints: ['nose', 'tail'], skeleton: [[1, 2]] }],
      },
      'val2017/a.png': [30, 20],
    });
    const dataset = await openDataset(root, { split: 'val' });
    assert.equal(dataset.keypointCount, 2);
    assert.deepEqual(dataset.categories[0]?.keypoints, ['nose', 'tail']);
    assert.deepEqual(dataset.categories[0].skeleton, [[1, 2]]);
    assert.deepEqual([...(dataset.entry(0).keypoints ?? [])], [...keypoints, 0, 0, 0, 0, 0, 0]);
  });

  it('finds splits in file names', async () => {
    const file = (image: object) => ({ ...cocoFile, images: [image], annotations: [] });
    const root = await makeFiles({
      'annotations/instances_train2017.json': file({ ...a, file_name: 'a.png' }),
      'annotations/instances_val2017.json': file({ ...empty, file_name: 'empty.png' }),
      'annotations/captions_val2017.json': { annotations: [] },
      'train2017/a.png': [30, 20],
      'val2017/empty.png': [16, 16],
    });
    assert.deepEqual(await datasetSplits(root), ['train', 'val']);
    const train = await openDataset(root, { split: 'train' });
    assert.equal(train.entry(0).image, join(root, 'train2017/a.png'));
    const val = await openDataset(root, { split: 'validation' });
    assert.equal(val.split, 'val');
    assert.equal(val.entry(0).name, 'empty.png');
    await assert.rejects(openDataset(root), {
      code: 'ERR_DATASET',
      message: /several annotation files: .*Say which split is meant: train, val/,
    });
    await assert.rejects(openDataset(root, { split: 'test' }), {
      code: 'ERR_DATASET',
      message: /no split "test"; the data set has train, val/,
    });
  });

  it('finds splits of any name in instances_NAME.json, where there are several', async () => {
    const file = (image?: object) => ({ ...cocoFile, images: [image], annotations: [] });
    const alone = {
      ...cocoFiles,
      'instances.json': '',
      'annotations/instances_default.json': file(a),
    };
    assert.deepEqual(await datasetSplits(await makeFiles(alone)), []);
    const names = [
      ['fold1', 'fold2'],
      ['train2014', 'train2017'],
      ['minival', 'train'],
    ];
    for (const [first = '', second = ''] of names) {
      const root = await makeFiles({
        ...cocoFiles,
        'instances.json': '',
        [`annotations/instances_${first}.json`]: file(a),
        [`annotations/instances_${second}.json`]: file(empty),
      });
      assert.deepEqual(await datasetSplits(root), [first, second]);
      assert.equal((await openDataset(root, { split: first })).entry(0).name, 'a.png');
      assert.equal((await openDataset(root, { split: second })).entry(0).name, 'empty.png');
    }
  });

  it('takes images from the folder of their split, where names are the same in all', async () => {
    const file = (id: number) => ({
      images: [{ id, file_name: '0.png', width: 8, height: 8 }],
      annotations: [],
      categories: [{ id: 1, name: 'a' }],
    });
    const root = await makeFiles({
      'annotations/instances_train2017.json': file(1),
      'annotations/instances_val2017.json': file(2),
      'images/train2017/0.png': [8, 8],
      'images/val2017/0.png': [8, 8],
    });
    for (const split of ['train', 'val']) {
      const [entry] = entriesOf(await openDataset(root, { split }));
      assert.equal(entry?.image, join(root, `images/${split}2017/0.png`));
    }
  });

  it('finds splits that the images name', async () => {
    const images = [
      { ...a, split: 'train' },
      { ...b, split: 'valid' },
      { ...empty, split: 'train' },
    ];
    const root = await makeFiles({ ...cocoFiles, 'instances.json': { ...cocoFile, images } });
    assert.deepEqual(await datasetSplits(root), ['train', 'val']);
    const val = await openDataset(root, { split: 'val' });
    assert.deepEqual(
      entriesOf(val).map(({ name }) => name),
      ['sub/b.png'],
    );
    assert.equal((await openDataset(root)).length, 3);
    await assert.rejects(openDataset(root, { split: 'test' }), {
      message: /no image is of the split "test"; it has train, val/,
    });
  });

  it('takes the classes that are asked for, in their order', async () => {
    const root = await makeFiles(cocoFiles);
    const dataset = await openDataset(root, { classes: ['toothbrush'] });
    assert.deepEqual(dataset.names, ['__background__', 'toothbrush']);
    assert.deepEqual([...dataset.entry(0).labels], [1]);
    assert.deepEqual(dataset.entry(0).labelledClasses, [1]);
    assert.equal(dataset.entry(1).length, 0);
    assert.deepEqual(dataset.problems, []);
    const classes = ['__background__', 'toothbrush', 'N/A', 'dog', 'cat'];
    const more = await openDataset(root, { classes });
    assert.deepEqual(more.names, classes);
    assert.deepEqual([...more.entry(0).labels], [1, 3]);
    assert.deepEqual(
      more.problems.map(({ kind }) => kind),
      ['unknown-class'],
    );
    assert.match(more.problems[0]?.message ?? '', /"cat" was asked for/);
    await assert.rejects(openDataset(root, { classes: ['cat'] }), {
      message: /none of the classes asked for .* it has dog, toothbrush/,
    });
  });

  it('makes one class of all that have one name', async () => {
    const categories = [
      { id: 1, name: 'car' },
      { id: 5, name: 'car' },
      { id: 7, name: 'dog' },
    ];
    const annotations = [1, 5, 7, 5].map((category, k) => ({
      ...{ id: k + 1, image_id: 7, category_id: category, bbox: [k % 3, 1, 5, 5] },
    }));
    // The same box in both cars is one box twice.
    annotations.push({ id: 9, image_id: 7, category_id: 5, bbox: [0, 1, 5, 5] });
    const file = { ...cocoFile, annotations, categories };
    const root = await makeFiles({ ...cocoFiles, 'instances.json': file });
    const dataset = await openDataset(root);
    assert.deepEqual(dataset.names, ['__background__', 'car', 'dog']);
    assert.deepEqual([...dataset.entry(0).labels], [1, 1, 2]);
    const kinds = dataset.problems.map(({ kind }) => kind);
    assert.deepEqual(kinds, ['duplicate-class', 'duplicate-box', 'duplicate-box']);
    const [problem] = dataset.problems;
    assert.equal(problem?.file, join(root, 'instances.json'));
    assert.match(problem.message, /the classes 1, 5 are all called "car"; they are taken as one/);
    const again = await openDataset(root, { classes: dataset.names });
    assert.deepEqual([...again.entry(0).labels], [1, 1, 2]);
    const dogs = await openDataset(root, { classes: ['dog'] });
    assert.deepEqual(dogs.problems, []);
  });

  it('takes marks that are written as text', async () => {
    const crowds = ['0', '1', 0, 1, false, true, null, 'true', 'false'];
    const annotations = crowds.map((iscrowd, k) => ({
      ...{ id: k, image_id: 7, category_id: 18, bbox: [k, 1, 5, 5], iscrowd, difficult: iscrowd },
    }));
    const file = { ...cocoFile, annotations };
    const dataset = await openDataset(await makeFiles({ ...cocoFiles, 'instances.json': file }));
    const { crowd, difficult } = dataset.entry(0);
    assert.deepEqual([...crowd], [0, 1, 0, 1, 0, 1, 0, 1, 0]);
    assert.deepEqual([...difficult], [...crowd]);
  });

  const bad = {
    images: [
      a,
      { ...b, id: 8 },
      { id: 7, file_name: 'c.png', width: 5, height: 5 },
      { id: 20, file_name: 'a.png', width: 30, height: 20 },
      { id: 21, file_name: 'gone.png', width: 30, height: 20 },
      { file_name: 'x.png' },
    ],
    annotations: [
      { id: 1, image_id: 7, category_id: 18, bbox: [3, 3, 0, 5] },
      { id: 2, image_id: 7, category_id: 18, bbox: [25, 3, 10, 5] },
      { id: 3, image_id: 7, category_id: 18, bbox: [40, 3, 10, 5] },
      { id: 4, image_id: 7, category_id: 18, bbox: [4, 4, 5, 5] },
      { id: 5, image_id: 20, category_id: 18, bbox: [4, 4, 5, 5] },
      { id: 6, image_id: 7, category_id: 5, bbox: [4, 4, 5, 5] },
      { id: 7, image_id: 99, category_id: 18, bbox: [4, 4, 5, 5] },
      { id: 8, image_id: 7, category_id: 18, bbox: [4, 4, 5] },
      { id: 9, image_id: 7, category_id: 18, bbox: [4, null, 5, 5] },
      { id: 10, image_id: 7 },
      // Within the tolerance of a pixel, and an object on the other image.
      { id: 11, image_id: 7, category_id: 90, bbox: [20, 10, 10.5, 10.5] },
      { id: 12, image_id: 8, category_id: 90, bbox: [1, 1, 5, 5] },
    ],
    categories: [...cocoFile.categories, { id: 18, name: 'wolf' }],
  };

  it('tells every problem with file, line and byte, and goes on', async () => {
    const root = await makeFiles({ ...cocoFiles, 'instances.json': bad });
    const dataset = await openDataset(root);
    const told = dataset.problems.map(({ kind, message }) => `${kind}: ${message}`);
    for (const [kind, message] of [
      ['annotation', /the category id 18 of wolf is that of dog already/],
      ['duplicate-image', /the image id 7 of c\.png is that of a\.png already/],
      ['duplicate-image', /a\.png is listed twice, with the ids 7 and 20/],
      ['annotation', /an image has no id and file_name/],
      ['image-missing', /the image gone\.png is not in .*images/],
      ['unknown-class', /annotation 6 has category_id 5, which is not listed/],
      ['unknown-image', /annotation 7 is of image 99, which is not listed/],
      ['annotation', /annotation 8 has no bbox/],
      ['annotation', /annotation 10 has no image_id and category_id/],
      ['box-area', /annotation 1: the box \[3, 3, 3, 8\] has no area, it is 0 x 5 pixels/],
      [
        'box-outside',
        /annotation 2: .* beyond the image, 30 x 20 pixels; it is cut to \[25, 3, 30, 8\]/,
      ],
      ['box-outside', /annotation 3: .*no part is inside, it is left out/],
      ['duplicate-box', /annotation 5: the box \[4, 4, 9, 9\] of the same class is there before/],
      ['box-number', /annotation 9: .* no finite number/],
    ] as const) {
      const found = told.filter((line) => line.startsWith(`${kind}:`) && message.test(line));
      assert.equal(found.length, 1, `${kind} ${String(message)} among\n${told.join('\n')}`);
    }
    assert.equal(told.length, 14);
    assert.deepEqual(
      entriesOf(dataset).map((entry) => objectsOf(dataset, entry)),
      [['dog 25 3 30 8', 'dog 4 4 9 9', 'toothbrush 20 10 30.5 20.5'], ['toothbrush 1 1 6 6']],
    );
    // The place is where the annotation begins.
    const text = JSON.stringify(bad, null, 1);
    const area = dataset.problems.find(({ kind }) => kind === 'box-area');
    assert.ok(area?.offset !== undefined && area.line !== undefined);
    assert.match(text.slice(area.offset), /^\{\s*"id": 1,/);
    assert.equal(text.slice(0, area.offset).split('\n').length, area.line);
    const where = describeProblem(area);
    assert.ok(where.startsWith(`${join(root, 'instances.json')}:${area.line} (byte `), where);
  });

  it('stops at the first problem where asked, or at one that a function chooses', async () => {
    const root = await makeFiles({ ...cocoFiles, 'instances.json': bad });
    await assert.rejects(openDataset(root, { onProblem: 'throw' }), { code: 'ERR_DATASET' });
    const seen: DatasetProblem[] = [];
    const onProblem = (problem: DatasetProblem) => {
      seen.push(problem);
      return problem.kind === 'box-area' ? 'throw' : 'skip';
    };
    await assert.rejects(openDataset(root, { onProblem }), {
      code: 'ERR_DATASET',
      message: /instances\.json:\d+ \(byte \d+\): annotation 1: .* it is 0 x 5 pixels\.$/,
    });
    assert.equal(seen.filter(({ kind }) => kind === 'box-area').length, 1);
  });

  it('the tolerance can be set', async () => {
    const root = await makeFiles({ ...cocoFiles, 'instances.json': bad });
    const outside = async (tolerance: number) => {
      const { problems } = await openDataset(root, { tolerance });
      return problems.filter(({ kind }) => kind === 'box-outside').length;
    };
    assert.deepEqual([await outside(0), await outside(0.5), await outside(20)], [3, 2, 0]);
  });

  it("reads numbers that only Python's JSON has as no numbers", async () => {
    const text = JSON.stringify(cocoFile).replace('[1.5,', '[NaN,');
    const dataset = await openDataset(await makeFiles({ ...cocoFiles, 'instances.json': text }));
    assert.deepEqual(
      dataset.problems.map(({ kind }) => kind),
      ['box-number'],
    );
    assert.equal(dataset.entry(1).length, 0);
  });

  it('says when the file was changed after it was opened', async () => {
    const root = await makeFiles(cocoFiles);
    const dataset = await openDataset(root);
    writeFileSync(join(root, 'instances.json'), JSON.stringify(cocoFile));
    await assert.rejects(async () => dataset.entry(0).segmentations?.(), {
      code: 'ERR_DATASET',
      message: /annotation 100 is no longer at byte \d+: the file was changed/,
    });
  });

  it('takes a file, and images from elsewhere', async () => {
    const root = await makeFiles({ 'x/labels.json': cocoFile });
    const file = join(root, 'x/labels.json');
    await assert.rejects(openDataset(file), {
      code: 'ERR_DATASET',
      message: /none of its images, a\.png for one, .* Say where they are with imageDir/,
    });
    const images = join(await makeFiles(cocoFiles), 'images');
    assert.equal((await openDataset(file, { imageDir: images })).length, 3);
  });

  const refused: [string, string, RegExp][] = [
    ['no JSON', '{"images": [1, }', /x\.json:1 \(byte 15\): /],
    [
      'no images',
      '{"annotations": [1], "categories": [], "info": 3}',
      /it lists no "images", but has annotations, info/,
    ],
    ['cut off', '{"images": [\n{"id": 1', /x\.json:2 .*cut off/],
  ];
  for (const [name, text, message] of refused) {
    it(`refuses a file with ${name}`, async () => {
      const file = join(await makeFiles({ 'x.json': text }), 'x.json');
      await assert.rejects(openDataset(file), { code: 'ERR_DATASET', message });
    });
  }
});
