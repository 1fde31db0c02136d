// From one format to another and back.
import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as rle from '../../lib/detection/rle';
import { convertDataset, datasetSplits, openDataset } from '../../lib/data';
import type { ConvertOptions, Dataset, TargetFormat } from '../../lib/data';
import {
  cocoFile,
  cocoFiles,
  entriesOf,
  makeFiles,
  objectsOf,
  removeFiles,
  vocFiles,
  yoloFiles,
} from './made-files';

/** Everything that all formats hold: by the last part of the image's name. */
function contents(dataset: Dataset): Record<string, readonly unknown[]> {
  return Object.fromEntries<readonly unknown[]>(
    entriesOf(dataset).map((entry) => [
      entry.name.split('/').at(-1) ?? '',
      [entry.width, entry.height, ...objectsOf(dataset, entry)],
    ]),
  );
}

async function converted(root: string, to: TargetFormat, options: object = {}) {
  const out = join(await makeFiles(), 'out');
  const result = await convertDataset(root, { to, out, ...options });
  return { out, result };
}

describe('convertDataset', () => {
  after(removeFiles);

  const targets = ['coco', 'voc', 'yolo'] as const;
  const sources = { voc: vocFiles, yolo: yoloFiles };
  for (const [from, files] of Object.entries(sources)) {
    for (const to of targets) {
      it(`${from} to ${to} and back keeps boxes, classes and splits`, async () => {
        const root = await makeFiles(files);
        const { out, result } = await converted(root, to);
        assert.deepEqual(result.splits, ['train', 'val']);
        assert.deepEqual(result.lost, []);
        assert.deepEqual(await datasetSplits(out), ['train', 'val']);
        const back = await converted(out, from as TargetFormat);
        for (const split of ['train', 'val']) {
          const source = await openDataset(root, { split });
          for (const folder of [out, back.out]) {
            const copy = await openDataset(folder, { split });
            assert.deepEqual(copy.names, source.names);
            assert.deepEqual(contents(copy), contents(source));
            assert.deepEqual(copy.problems, []);
          }
        }
        const format = (await openDataset(out, { split: 'train' })).format;
        assert.equal(format, to);
      });
    }
  }

  it('COCO to COCO keeps everything', async () => {
    const root = await makeFiles(cocoFiles);
    const { out, result } = await converted(root, 'coco');
    assert.deepEqual([result.images, result.objects, result.splits, result.lost], [3, 3, [], []]);
    const file = JSON.parse(
      readFileSync(join(out, 'annotations/instances.json'), 'utf8'),
    ) as typeof cocoFile;
    assert.deepEqual(file.categories, [cocoFile.categories[1], cocoFile.categories[0]]);
    assert.deepEqual(file.images, [
      { ...cocoFile.images[0], labelled_classes: [90, 18] },
      // An id that is no number becomes one, and folders are left out of names.
      { id: 2, file_name: 'b.png', width: 40, height: 50 },
      cocoFile.images[2],
    ]);
    const [first] = file.annotations.filter(({ id }) => id === 100);
    assert.deepEqual(first, cocoFile.annotations[0]);
    assert.equal(file.annotations.find(({ id }) => id === 102)?.iscrowd, 1);
    const [source, copy] = [await openDataset(root), await openDataset(out)];
    assert.deepEqual(contents(copy), contents(source));
    const [polygons, runs] = (await copy.entry(0).segmentations?.()) ?? [];
    assert.deepEqual(polygons, [[2, 2, 12, 2, 12, 10, 2, 10]]);
    assert.ok(runs && 'size' in runs);
    assert.deepEqual(rle.uncompress(runs), { size: [20, 30], counts: [25, 4, 571] });
  });

  it('says what the target cannot hold', async () => {
    const root = await makeFiles(cocoFiles);
    const voc = await converted(root, 'voc');
    assert.deepEqual([...voc.result.lost].sort(), [
      '1 crowds: written as difficult objects',
      "1 images' lists of the classes marked in them: VOC has no place for them",
      '1 set of class ids: VOC knows classes by name',
      '2 masks: VOC files hold boxes',
    ]);
    const yolo = await converted(root, 'yolo');
    assert.deepEqual([...yolo.result.lost].sort(), [
      '1 crowds: left out, YOLO has none',
      "1 images' lists of the classes marked in them: YOLO has no place for them",
      '1 set of class ids: YOLO counts classes from 0',
    ]);
    const copy = await openDataset(yolo.out);
    const [outline] = (await copy.entry(0).segmentations?.()) ?? [];
    assert.ok(Array.isArray(outline));
    const rounded = (outline as number[][]).map((points) => points.map((x) => Math.round(x)));
    assert.deepEqual(rounded, [[2, 2, 12, 2, 12, 10, 2, 10]]);
  });

  it('counts what is left out', async () => {
    const annotations = [
      ...cocoFile.annotations,
      { id: 1, image_id: 7, category_id: 18, bbox: [3, 3, 0, 5] },
    ];
    const root = await makeFiles({ ...cocoFiles, 'instances.json': { ...cocoFile, annotations } });
    const { out, result } = await converted(root, 'yolo');
    assert.deepEqual(
      result.problems.map(({ kind }) => kind),
      ['box-area'],
    );
    assert.equal((await openDataset(out)).problems.length, 0);
    await assert.rejects(converted(root, 'yolo', { onProblem: 'throw' }), { code: 'ERR_DATASET' });
    const split = { ...vocFiles, 'ImageSets/Main/trainval.txt': '', 'ImageSets/Main/val.txt': '' };
    const unlisted = await converted(await makeFiles(split), 'coco');
    assert.deepEqual(unlisted.result.lost, ['1 images that no split lists: left out']);
  });

  it('copies, links or leaves the images, and gives each a name of its own', async () => {
    const images = cocoFile.images.map((image, k) =>
      k === 2 ? { ...image, file_name: 'other/A.png' } : image,
    );
    const root = await makeFiles({
      ...cocoFiles,
      'instances.json': { ...cocoFile, images },
      'images/other/A.png': [16, 16],
    });
    const copy = await converted(root, 'yolo', { classes: ['dog'] });
    const a = join(copy.out, 'images/train/a.png');
    assert.deepEqual(readFileSync(a), readFileSync(join(root, 'images/a.png')));
    assert.ok(existsSync(join(copy.out, 'images/train/other_A.png')));
    assert.equal(readFileSync(join(copy.out, 'labels/train/a.txt'), 'utf8'), '');
    const linked = await converted(root, 'voc', { images: 'link' });
    const inode = (file: string) => statSync(file).ino;
    assert.equal(inode(join(linked.out, 'JPEGImages/a.png')), inode(join(root, 'images/a.png')));
    const bare = await converted(root, 'voc', { images: 'none' });
    assert.ok(existsSync(join(bare.out, 'Annotations/a.xml')));
    assert.ok(!existsSync(join(bare.out, 'JPEGImages')));
  });

  it('outlines that are none become boxes in YOLO, and are counted', async () => {
    const outlines = [
      [[10, 10, 40, 30]],
      [[]],
      [
        [1, 1, 9, 1, 9, 9],
        [2, 2],
      ],
    ];
    const annotations = outlines.map((segmentation, k) => ({
      ...{ id: k + 1, image_id: 7, category_id: 18, bbox: [3 * k, 5, 15, 10], segmentation },
    }));
    const file = { ...cocoFile, annotations };
    const root = await makeFiles({ ...cocoFiles, 'instances.json': file });
    const { out, result } = await converted(root, 'yolo');
    assert.ok(result.lost.includes('3 masks that are no outlines: the box is kept'));
    assert.equal(
      readFileSync(join(out, 'labels/train/a.txt'), 'utf8'),
      '0 0.25 0.5 0.5 0.5\n0 0.35 0.5 0.5 0.5\n0 0.45 0.5 0.5 0.5\n',
    );
  });

  it('keypoints go to YOLO and back', async () => {
    const keypoints = [5, 5, 2, 6, 7, 1];
    const root = await makeFiles({
      'k.json': {
        images: [cocoFile.images[0]],
        annotations: [{ id: 1, image_id: 7, category_id: 1, bbox: [0, 0, 9, 9], keypoints }],
        categories: [{ id: 1, name: 'person' }],
      },
      'a.png': [30, 20],
    });
    const { out } = await converted(root, 'yolo');
    const copy = await openDataset(out);
    const [...points] = copy.entry(0).keypoints ?? [];
    assert.deepEqual(points, keypoints);
  });

  const folds = {
    ...cocoFiles,
    'instances.json': {
      ...cocoFile,
      images: cocoFile.images.map((image, k) => ({
        ...image,
        split: ['fold1-train', 'fold2-train', 'names'][k],
      })),
    },
  };
  const isList = (name: string) => name.startsWith('ImageSets');
  const trainval = {
    ...Object.fromEntries(Object.entries(vocFiles).filter(([name]) => !isList(name))),
    'ImageSets/Main/trainval.txt': 'two\none\n',
    'ImageSets/Main/test.txt': 'three\n',
  };
  for (const to of targets) {
    it(`splits of any name survive in ${to}`, async () => {
      const root = await makeFiles(folds);
      const { out } = await converted(root, to);
      const last = to === 'yolo' ? 'names-split' : 'names';
      const splits = ['fold1-train', 'fold2-train', last];
      assert.deepEqual(await datasetSplits(out), splits);
      for (const [k, split] of splits.entries()) {
        const copy = await openDataset(out, { split });
        assert.deepEqual(
          entriesOf(copy).map(({ image }) => image.split('/').at(-1)),
          [['a.png', 'b.png', 'empty.png'][k]],
        );
      }
    });

    it(`trainval and test survive in ${to}`, async () => {
      const { out } = await converted(await makeFiles(trainval), to);
      assert.deepEqual(await datasetSplits(out), ['test', 'trainval']);
      assert.equal((await openDataset(out, { split: 'trainval' })).length, 2);
      assert.equal((await openDataset(out, { split: 'test' })).length, 1);
    });
  }

  it('one split of any name survives in COCO, and YOLO tells where it has another', async () => {
    const root = await makeFiles(folds);
    const { out } = await converted(root, 'coco', { split: 'fold2-train' });
    assert.deepEqual(await datasetSplits(out), ['fold2-train']);
    const { result } = await converted(root, 'yolo', { split: 'names' });
    assert.ok(result.lost.some((line) => line.startsWith('1 split called "names"')));
  });

  it('leaves images where they are under the names that find them there', async () => {
    const images = cocoFile.images.map((image, k) => ({
      ...image,
      file_name: ['a/1.png', 'b/1.png', 'c.png'][k],
    }));
    const root = await makeFiles({
      'x.json': { ...cocoFile, images },
      'images/a/1.png': [30, 20],
      'images/b/1.png': [40, 50],
      'images/c.png': [16, 16],
    });
    const { out, result } = await converted(root, 'coco', { images: 'none' });
    assert.ok(!existsSync(join(out, 'images')));
    assert.ok(result.lost.every((line) => !line.includes('name')));
    const copy = await openDataset(out, { imageDir: join(root, 'images') });
    assert.deepEqual(copy.problems, []);
    const source = await openDataset(root);
    assert.deepEqual(
      entriesOf(copy).map(({ name, image }) => [name, image]),
      entriesOf(source).map(({ name, image }) => [name, image]),
    );
  });

  const refused: [string, object, string, RegExp][] = [
    ['an unknown format', { to: 'kitti' }, 'ERR_OPTION_VALUE', /"to".*coco, voc, yolo/],
    ['an unknown way with images', { images: 'move' }, 'ERR_OPTION_VALUE', /"images".*"move"/],
    ['no folder', { out: '' }, 'ERR_OPTION_VALUE', /"out"/],
    ['an unknown option', { output: 'x' }, 'ERR_OPTION_UNKNOWN', /"output"/],
  ];
  for (const [name, options, code, message] of refused) {
    it(`refuses ${name}`, async () => {
      const root = await makeFiles(yoloFiles);
      const all = { to: 'coco', out: join(root, 'out'), ...options } as ConvertOptions;
      await assert.rejects(convertDataset(root, all), { code, message });
    });
  }

  for (const to of targets) {
    it(`takes away what it made in ${to} where it is interrupted, and can be run again`, async () => {
      const root = await makeFiles(vocFiles);
      const parent = await makeFiles({ 'other.txt': 'of somebody else' });
      const out = join(parent, 'deep', 'out');
      const stop = new AbortController();
      const onProgress = (done: number) => {
        assert.deepEqual(readdirSync(parent), ['deep', 'other.txt']);
        // The first split is written, the second is begun.
        if (done === 2) stop.abort(new Error('enough'));
      };
      const { signal } = stop;
      const stopped = convertDataset(root, { to, out, signal, onProgress });
      await assert.rejects(stopped, { message: 'enough' });
      assert.deepEqual(readdirSync(parent), ['other.txt']);
      assert.equal((await convertDataset(root, { to, out })).images, 3);
      const names = readdirSync(out, { recursive: true, encoding: 'utf8' });
      assert.deepEqual(
        names.filter((name) => name.endsWith('.part')),
        [],
      );
    });
  }

  it('leaves the folder that was there, and what others put in it', async () => {
    const [root, out] = [await makeFiles(vocFiles), await makeFiles()];
    const fail = () => {
      writeFileSync(join(out, 'JPEGImages', 'note.txt'), 'of somebody else');
      throw new Error('enough');
    };
    const failed = convertDataset(root, { to: 'voc', out, onProgress: fail, images: 'link' });
    await assert.rejects(failed, { message: 'enough' });
    assert.deepEqual(readdirSync(out, { recursive: true }), [
      'JPEGImages',
      join('JPEGImages', 'note.txt'),
    ]);
    assert.equal((await openDataset(root)).problems.length, 0);
  });

  it('names a COCO file only once it is whole', async () => {
    const [root, out] = [await makeFiles(vocFiles), await makeFiles()];
    const seen: string[] = [];
    const onProgress = () => seen.push(readdirSync(join(out, 'annotations')).join(' '));
    await convertDataset(root, { to: 'coco', out, onProgress });
    const begun = 'instances_train.json.part';
    assert.deepEqual(seen, [begun, begun, 'instances_train.json instances_val.json.part']);
    assert.deepEqual(readdirSync(join(out, 'annotations')).length, 2);
  });

  it('writes to no folder that holds something', async () => {
    const root = await makeFiles(yoloFiles);
    await assert.rejects(convertDataset(root, { to: 'coco', out: root }), {
      code: 'ERR_FILE',
      message: /is not empty: name a new folder/,
    });
    const file = join(root, 'data.yaml');
    await assert.rejects(convertDataset(root, { to: 'coco', out: file }), {
      code: 'ERR_FILE',
      message: /is no folder/,
    });
  });
});
