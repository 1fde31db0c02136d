// Several data sets as one, in memory and on the disk.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { datasetSplits, joinDatasets, Loader, mergeDatasets, openDataset } from '../../lib/data';
import type { Dataset, DatasetEntry, MergeOptions } from '../../lib/data';
import {
  cocoFiles,
  entriesOf,
  makeFiles,
  objectsOf,
  removeFiles,
  vocFiles,
  vocXml,
  yoloFiles,
} from './made-files';

/** Names of the classes that an image marks; undefined: all. */
function marked(dataset: Dataset, { labelledClasses }: DatasetEntry): string[] | undefined {
  return labelledClasses?.map((label) => dataset.names[label] ?? '?').sort();
}

/** What a set says, but for ids, paths and the order of objects in the files. */
async function contents(dataset: Dataset) {
  const images = entriesOf(dataset).map(async (entry) => ({
    size: [entry.width, entry.height],
    objects: objectsOf(dataset, entry),
    areas: [...entry.areas],
    crowd: [...entry.crowd],
    difficult: [...entry.difficult],
    keypoints: entry.keypoints && [...entry.keypoints],
    marked: marked(dataset, entry),
    outlines: (await entry.segmentations?.())?.map((outline) => outline && 'counts' in outline),
  }));
  return { names: dataset.names, images: await Promise.all(images) };
}

const ant = 'ant 3 3 9 9';
/** Images that mark dogs alone, all classes, and none of them exhaustively; one object is hard to tell. */
const marks = {
  images: [
    { id: 1, file_name: 'p.png', width: 30, height: 20, labelled_classes: [5] },
    { id: 2, file_name: 'q.png', width: 30, height: 20, labelled_classes: null },
    { id: 3, file_name: 'r.png', width: 30, height: 20, labelled_classes: [] },
    { id: 4, file_name: 's.png', width: 30, height: 20, labelled_classes: [2, 5] },
  ],
  annotations: [
    { id: 1, image_id: 1, category_id: 5, bbox: [1, 1, 5, 5], difficult: 1 },
    { id: 2, image_id: 3, category_id: 2, bbox: [2, 2, 6, 6] },
  ],
  categories: [
    { id: 2, name: 'cat' },
    { id: 5, name: 'dog' },
  ],
};
const marksFiles = {
  'm.json': marks,
  ...Object.fromEntries(marks.images.map(({ file_name: name }) => [name, [30, 20]])),
};

/** A set with one class whose objects have keypoints. */
const points = (name: string, names: readonly string[] | undefined) => ({
  'k.json': {
    images: [{ id: 1, file_name: 'k.png', width: 30, height: 20 }],
    annotations: [
      { id: 1, image_id: 1, category_id: 1, bbox: [0, 0, 9, 9], keypoints: [5, 5, 2, 6, 7, 1] },
    ],
    categories: [{ id: 1, name, ...(names && { keypoints: names }) }],
  },
  'k.png': [30, 20],
});

async function open(files: Parameters<typeof makeFiles>[0], options = {}): Promise<Dataset> {
  return openDataset(await makeFiles(files), options);
}

describe('joinDatasets', () => {
  after(removeFiles);

  it('joins classes by name, and images one after the other', async () => {
    const [coco, voc] = [await open(cocoFiles), await open(vocFiles, { split: 'train' })];
    const all = joinDatasets([coco, voc]);
    assert.deepEqual(all.names, ['__background__', 'dog', 'toothbrush', 'ant', 'cat']);
    assert.deepEqual(
      all.categories.map(({ label, id, supercategory }) => [label, id, supercategory]),
      [
        [1, 1, 'animal'],
        [2, 2, undefined],
        [3, 3, undefined],
        [4, 4, undefined],
      ],
    );
    const entries = entriesOf(all);
    assert.deepEqual(
      entries.map(({ name }) => name),
      ['a.png', 'sub/b.png', 'empty.png', 'two.png', 'one.png'],
    );
    assert.deepEqual(
      entries.map((entry) => objectsOf(all, entry)),
      [
        ['toothbrush 2 2 12 10', 'dog 1 5 2 9'],
        ['dog 1.5 2.25 21.5 32.25'],
        [],
        ['cat 5 5 25 20'],
        ['cat 1 2 11 12', ant],
      ],
    );
    assert.deepEqual([...all.sizes], [30, 20, 40, 50, 16, 16, 40, 30, 30, 20]);
    const [first] = entries;
    assert.deepEqual([...(first?.crowd ?? [])], [0, 1]);
    assert.deepEqual([...(first?.areas ?? [])], [75.5, 4]);
  });

  it('numbers images and objects anew', async () => {
    const coco = await open(cocoFiles);
    const entries = entriesOf(joinDatasets([coco, coco]));
    assert.deepEqual(
      entries.map(({ index, id }) => [index, id]),
      [0, 1, 2, 3, 4, 5].map((index) => [index, index + 1]),
    );
    const ids = entries.flatMap(({ objectIds }) => [...objectIds]);
    assert.deepEqual(ids, [1, 2, 3, 4, 5, 6]);
  });

  it('says nothing of classes that a set does not know', async () => {
    const all = joinDatasets([await open(marksFiles), await open(yoloFiles), await open(vocFiles)]);
    assert.deepEqual(all.names.slice(1), ['cat', 'dog', 'ant']);
    const [p, q, r, s, a, , one] = entriesOf(all).map((entry) => marked(all, entry));
    assert.deepEqual(p, ['dog']);
    assert.deepEqual(q, ['cat', 'dog']);
    assert.deepEqual(r, []);
    assert.deepEqual(s, ['cat', 'dog']);
    assert.deepEqual(a, ['cat', 'dog']);
    assert.deepEqual(one, ['ant', 'cat']);
  });

  it('marks all classes where the set knows all that are left', async () => {
    const sets = [await open(marksFiles), await open(vocFiles)];
    const cats = joinDatasets(sets, { classes: ['__background__', 'cat'] });
    const entries = entriesOf(cats);
    assert.deepEqual(cats.names, ['__background__', 'cat']);
    assert.deepEqual(
      entries.map((entry) => marked(cats, entry)),
      [[], undefined, [], undefined, undefined, undefined, undefined],
    );
    assert.deepEqual(
      entries.map(({ length }) => length),
      [0, 0, 1, 0, 1, 0, 1],
    );
    const dogFirst = joinDatasets(sets, { classes: ['dog', 'cat'] });
    assert.deepEqual(objectsOf(dogFirst, dogFirst.entry(0)), ['dog 1 1 6 6']);
    assert.deepEqual([...dogFirst.entry(0).labels], [1]);
    assert.match(dogFirst.entry(2).where(0), /annotation 2/);
  });

  it('knows a class once that a set lists twice', async () => {
    const categories = [...marks.categories, { id: 9, name: 'cat' }];
    const twice = await open({ ...marksFiles, 'm.json': { ...marks, categories } });
    const all = joinDatasets([twice, await open(vocFiles)]);
    assert.deepEqual(marked(all, all.entry(1)), ['cat', 'dog']);
  });

  it('keeps masks where all sets have them', async () => {
    const coco = await open(cocoFiles);
    const both = joinDatasets([coco, await open(cocoFiles)], { classes: ['dog'] });
    assert.ok(both.hasMasks);
    const dogs = both.entry(3);
    const outlines = (await dogs.segmentations?.()) ?? [];
    // The toothbrush's polygon is left out, the dog's run stays.
    assert.deepEqual(
      outlines.map((outline) => outline && 'counts' in outline),
      [true],
    );
    const some = joinDatasets([coco, await open(vocFiles)]);
    assert.equal(some.hasMasks, false);
    assert.ok(!('segmentations' in some.entry(0)));
  });

  it('keeps keypoints where all sets have the same', async () => {
    const cat = await open(points('cat', ['nose', 'tail']));
    const other = await open(points('dog', ['beak', 'wing']));
    const both = joinDatasets([cat, other, await open(points('cat', undefined))]);
    assert.equal(both.keypointCount, 2);
    assert.deepEqual([...(both.entry(1).keypoints ?? [])], [5, 5, 2, 6, 7, 1]);
    assert.deepEqual(
      both.categories.map(({ keypoints }) => keypoints),
      [
        ['nose', 'tail'],
        ['beak', 'wing'],
      ],
    );
    const dogs = joinDatasets([cat, other], { classes: ['dog'] });
    assert.deepEqual([dogs.entry(0).length, dogs.entry(0).keypoints?.length], [0, 0]);
    // The same class with its points in another order; a set without any.
    const turned = await open(points('cat', ['tail', 'nose']));
    for (const apart of [turned, await open(yoloFiles)]) {
      const without = joinDatasets([cat, apart]);
      assert.equal(without.keypointCount, 0);
      assert.equal(without.entry(0).keypoints, undefined);
      assert.equal(without.categories[0]?.keypoints, undefined);
    }
  });

  it('is a data set to load and to join again', async () => {
    const all = joinDatasets([await open(vocFiles), await open(cocoFiles)]);
    const loader = new Loader(all, { batchSize: 2, seed: 1 });
    let boxes = 0;
    for await (const { samples } of loader.epoch(0)) {
      for (const sample of samples) boxes += sample.labels.length;
    }
    // The crowd is not trained on.
    assert.equal(boxes, 5);
    const again = joinDatasets([all, await open(yoloFiles)], { classes: ['dog', 'cat'] });
    assert.equal(again.length, 8);
    assert.deepEqual(marked(again, again.entry(0)), ['cat']);
    assert.deepEqual(marked(again, again.entry(3)), ['dog']);
  });

  it('refuses what does not fit', async () => {
    const coco = await open(cocoFiles);
    const refuse = (code: string, message: RegExp, ...args: Parameters<typeof joinDatasets>) => {
      assert.throws(() => joinDatasets(...args), { code, message });
    };
    refuse('ERR_INVALID_ARGUMENT', /no set/, []);
    refuse('ERR_DATASET', /no set has the class "cow".*dog, toothbrush/, [coco], {
      classes: ['dog', 'cow'],
    });
    refuse('ERR_OPTION_VALUE', /each once/, [coco], { classes: ['dog', 'dog'] });
    refuse('ERR_OPTION_VALUE', /"classes"/, [coco], { classes: ['__background__'] });
    refuse('ERR_OPTION_UNKNOWN', /"class".*"classes"/, [coco], { class: ['dog'] } as object);
    const all = joinDatasets([coco, coco]);
    for (const index of [-1, 6, 0.5, NaN]) {
      assert.throws(() => all.entry(index), {
        code: 'ERR_INVALID_ARGUMENT',
        message: /the data set has 6/,
      });
    }
  });
});

describe('mergeDatasets', () => {
  after(removeFiles);

  async function merged(paths: readonly string[], options: Partial<MergeOptions> = {}) {
    const out = join(await makeFiles(), 'out');
    return { out, result: await mergeDatasets(paths, { out, ...options }) };
  }

  it('writes what the join says: classes, splits, marks, crowds and difficult objects', async () => {
    const roots = [await makeFiles(marksFiles), await makeFiles(vocFiles)];
    const coco = await makeFiles(cocoFiles);
    const { out, result } = await merged([...roots, coco]);
    assert.deepEqual(result.classes, ['cat', 'dog', 'ant', 'toothbrush']);
    assert.deepEqual(result.splits, [
      { name: 'train', images: 9, objects: 8 },
      { name: 'val', images: 1, objects: 0 },
    ]);
    assert.deepEqual([result.lost, result.problems], [[], []]);
    assert.deepEqual(await datasetSplits(out), ['train', 'val']);
    const parts = [
      await openDataset(roots[0] ?? ''),
      await openDataset(roots[1] ?? '', { split: 'train' }),
      await openDataset(coco),
    ];
    const train = await openDataset(out, { split: 'train' });
    const joined = joinDatasets(parts, { classes: result.classes });
    assert.deepEqual(await contents(train), await contents(joined));
    assert.deepEqual(train.problems, []);
    assert.equal(train.entry(0).difficult[0], 1);
    assert.equal(train.entry(6).crowd[1], 1);
    const val = await openDataset(out, { split: 'val' });
    assert.deepEqual(val.names, train.names);
    assert.deepEqual(marked(val, val.entry(0)), ['ant', 'cat']);
  });

  it('numbers images and objects through all splits', async () => {
    const { out } = await merged([await makeFiles(yoloFiles), await makeFiles(vocFiles)]);
    const read = (split: string) =>
      JSON.parse(readFileSync(join(out, `annotations/instances_${split}.json`), 'utf8')) as {
        images: { id: number }[];
        annotations: { id: number; image_id: number }[];
      };
    const [train, val] = [read('train'), read('val')];
    assert.deepEqual(
      [...train.images, ...val.images].map(({ id }) => id),
      [1, 2, 3, 4, 5],
    );
    assert.deepEqual(
      train.annotations.map(({ id, image_id: image }) => [id, image]),
      [
        [1, 1],
        [2, 1],
        [3, 2],
        [4, 3],
        [5, 3],
      ],
    );
  });

  it('keeps masks and keypoints that all sets have', async () => {
    const masks = await merged([await makeFiles(cocoFiles), await makeFiles(cocoFiles)]);
    const train = await openDataset(masks.out, { split: 'train' });
    const [polygons, runs] = (await train.entry(3).segmentations?.()) ?? [];
    assert.deepEqual(polygons, [[2, 2, 12, 2, 12, 10, 2, 10]]);
    assert.ok(runs && 'counts' in runs);
    const bodies = [points('cat', ['nose', 'tail']), points('dog', ['nose', 'tail'])];
    const roots = await Promise.all(bodies.map((files) => makeFiles(files)));
    const { out } = await merged(roots);
    const copy = await openDataset(out, { split: 'train' });
    assert.deepEqual([...(copy.entry(1).keypoints ?? [])], [5, 5, 2, 6, 7, 1]);
    assert.deepEqual(copy.categories[1]?.keypoints, ['nose', 'tail']);
  });

  it('gives images of one name, and an image that two sets have, files of their own', async () => {
    const root = await makeFiles(marksFiles);
    const { images } = marks;
    const birds = {
      images: images.slice(1, 2).map((image) => ({ ...image, labelled_classes: [1] })),
      annotations: [{ id: 1, image_id: 2, category_id: 1, bbox: [1, 2, 3, 4] }],
      categories: [{ id: 1, name: 'bird' }],
    };
    const other = await makeFiles({ 'b.json': birds, 'q.png': [30, 20] });
    const { out } = await merged([join(root, 'm.json'), root, other], { images: 'link' });
    const train = await openDataset(out, { split: 'train' });
    assert.equal(train.length, 9);
    assert.deepEqual(train.problems, []);
    assert.equal(new Set(entriesOf(train).map(({ image }) => image)).size, 9);
    assert.equal(readdirSync(join(out, 'images')).length, 9);
    assert.deepEqual(marked(train, train.entry(8)), ['bird']);
    assert.deepEqual(objectsOf(train, train.entry(8)), ['bird 1 2 4 6']);
    const bare = await merged([root], { images: 'none' });
    assert.ok(!existsSync(join(bare.out, 'images')));
  });

  it('leaves images where they are: names are their paths, one that two sets have comes twice', async () => {
    const root = await makeFiles(marksFiles);
    const other = await makeFiles(vocFiles);
    const { out } = await merged([join(root, 'm.json'), root, other], { images: 'none' });
    const train = await openDataset(out, { split: 'train' });
    const { length } = await openDataset(root);
    assert.equal(train.length, 2 * length + 2);
    assert.deepEqual(train.problems, []);
    assert.equal(train.entry(length).image, train.entry(0).image);
  });

  it('joins splits by name, whatever they are called', async () => {
    const tagged = {
      ...marks,
      images: marks.images.map((image, k) => ({
        ...image,
        split: ['train2017', 'validation', 'minitest', undefined][k],
      })),
    };
    const lone = {
      'Annotations/one.xml': vocFiles['Annotations/one.xml'],
      'JPEGImages/one.png': [30, 20],
      'ImageSets/Main/trainval.txt': 'one\n',
    };
    const roots = [await makeFiles({ ...marksFiles, 'm.json': tagged }), await makeFiles(lone)];
    const { result } = await merged(roots);
    assert.deepEqual(
      result.splits.map(({ name, images }) => [name, images]),
      [
        ['minitest', 1],
        ['train', 2],
        ['val', 1],
      ],
    );
    assert.deepEqual(result.lost, [`1 images of ${roots[0]} that no split lists: left out`]);
  });

  it('tells what was wrong, how far it is, and can be stopped', async () => {
    const bad = vocXml('one.png', [30, 20], [['cat', 4, 4, 4, 9]]);
    const root = await makeFiles({ ...vocFiles, 'Annotations/one.xml': bad });
    const steps: string[] = [];
    const { result } = await merged([root], {
      onProgress: (done, total) => steps.push(`${done}/${total}`),
    });
    assert.deepEqual(
      result.problems.map(({ kind }) => kind),
      ['box-area'],
    );
    assert.deepEqual(steps, ['1/3', '2/3', '3/3']);
    const reason = new Error('enough');
    const stopped = merged([root], { signal: AbortSignal.abort(reason) });
    await assert.rejects(stopped, (error) => error === reason);
  });

  it('takes away what it made where it is interrupted, and can be run again', async () => {
    const roots = [await makeFiles(vocFiles), await makeFiles(yoloFiles)];
    const out = await makeFiles();
    const stop = new AbortController();
    const onProgress = (done: number) => {
      if (done === 4) stop.abort(new Error('enough'));
    };
    const stopped = mergeDatasets(roots, { out, signal: stop.signal, onProgress });
    await assert.rejects(stopped, { message: 'enough' });
    assert.deepEqual(readdirSync(out), []);
    assert.equal((await mergeDatasets(roots, { out })).splits.length, 2);
  });

  const refused: [string, Partial<MergeOptions>, string, RegExp][] = [
    ['an unknown way with images', { images: 'move' as 'copy' }, 'ERR_OPTION_VALUE', /"images"/],
    ['no folder', { out: '' }, 'ERR_OPTION_VALUE', /"out"/],
    ['an unknown option', { split: 'x' } as object, 'ERR_OPTION_UNKNOWN', /"split"/],
    ['a class that is nowhere', { classes: ['cow'] }, 'ERR_DATASET', /"cow".*cat, dog/],
  ];
  for (const [name, options, code, message] of refused) {
    it(`refuses ${name}`, async () => {
      await assert.rejects(merged([await makeFiles(yoloFiles)], options), { code, message });
    });
  }

  it('refuses no sets, and a folder that holds something', async () => {
    const root = await makeFiles(yoloFiles);
    await assert.rejects(merged([]), { code: 'ERR_OPTION_VALUE', message: /at least one/ });
    await assert.rejects(mergeDatasets([root], { out: root }), {
      code: 'ERR_FILE',
      message: /is not empty/,
    });
    const gone = merged([root, join(root, 'gone')]);
    await assert.rejects(gone, { code: 'ERR_FILE', message: /gone/ });
  });
});
