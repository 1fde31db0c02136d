// Label files of YOLO's kind, Penn-Fudan's masks, and what is no data set at all.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import sharp from 'sharp';
import * as rle from '../../lib/detection/rle';
import { datasetSplits, openDataset } from '../../lib/data';
import { entriesOf, makeFiles, objectsOf, removeFiles, yoloFiles } from './made-files';

describe('data sets of YOLO', () => {
  after(removeFiles);

  it('opens: shares become pixels, images without labels are empty', async () => {
    const root = await makeFiles(yoloFiles);
    const dataset = await openDataset(root);
    assert.equal(dataset.format, 'yolo');
    assert.deepEqual(dataset.names, ['__background__', 'cat', 'dog']);
    assert.deepEqual(dataset.categories[1], { label: 2, name: 'dog', id: 1 });
    assert.deepEqual(
      entriesOf(dataset).map((entry) => [entry.name, ...objectsOf(dataset, entry)]),
      [[join('images/train/a.png'), 'dog 10 5 30 15', 'cat 8 8 12 12'], [join('images/val/b.png')]],
    );
    assert.deepEqual(await datasetSplits(root), ['train', 'val']);
    assert.equal((await openDataset(root, { split: 'valid' })).length, 1);
    assert.equal((await openDataset(join(root, 'data.yaml'), { split: 'train' })).length, 1);
    assert.equal(dataset.entry(0).where(1), `${join(root, 'labels/train/a.txt')}:2 (the object)`);
  });

  it('does without a data.yaml', async () => {
    const files = { ...yoloFiles, 'data.yaml': '', 'classes.txt': 'cat\ndog\n' };
    const root = await makeFiles({ ...files, 'labels/val/b.txt': '0 0.5 0.5 1 1\n' });
    const dataset = await openDataset(root);
    assert.deepEqual(dataset.names, ['__background__', 'cat', 'dog']);
    assert.deepEqual(await datasetSplits(root), ['train', 'val']);
    const unnamed = await makeFiles({ ...files, 'classes.txt': '' });
    await assert.rejects(openDataset(unnamed), { message: /nothing names the classes/ });
    const named = await openDataset(unnamed, { classes: ['cat', 'dog'] });
    assert.deepEqual([...named.entry(0).labels], [2, 1]);
  });

  it('refuses names whose indices are none', async () => {
    for (const index of ['-1', '0.5', '4000000000', 'cat']) {
      const yaml = `train: images/train\nnames:\n  ${index}: cat\n`;
      const root = await makeFiles({ ...yoloFiles, 'data.yaml': yaml });
      await assert.rejects(openDataset(root), {
        code: 'ERR_DATASET',
        message: new RegExp(`data\\.yaml: "names" has the index "${index}"`),
      });
    }
  });

  it('takes every path of the data.yaml to images as a split', async () => {
    const yaml = [
      'path: .',
      'train: images/train',
      'fold-2: [images/val, more.txt]',
      'images: images',
      'license: LICENSE.txt',
      'logo: images/train/a.png',
      'runs: out',
      'download: https://example.com/x.zip',
      'names: [cat, dog]',
    ];
    const root = await makeFiles({
      ...yoloFiles,
      'data.yaml': yaml.join('\n'),
      'more.txt': './images/train/a.png\n',
      'LICENSE.txt': 'Do what you like.\n',
      'out/log.txt': 'done',
    });
    assert.deepEqual(await datasetSplits(root), ['fold-2', 'train']);
    assert.equal((await openDataset(root, { split: 'fold-2' })).length, 2);
  });

  it('has no use for another folder of images, and says so', async () => {
    const root = await makeFiles(yoloFiles);
    await assert.rejects(openDataset(root, { imageDir: root }), {
      code: 'ERR_OPTION_VALUE',
      message: /"imageDir".*labels are found by where the images lie/,
    });
  });

  it('makes one class of names that come twice', async () => {
    const yaml = 'train: images/train\nnames: [cat, cat, dog]\n';
    const labels = '0 0.5 0.5 0.5 0.5\n1 0.25 0.5 0.1 0.2\n2 0.25 0.5 0.1 0.2\n';
    const files = { ...yoloFiles, 'data.yaml': yaml, 'labels/train/a.txt': labels };
    const root = await makeFiles(files);
    const dataset = await openDataset(root);
    assert.deepEqual(dataset.names, ['__background__', 'cat', 'dog']);
    assert.deepEqual([...dataset.entry(0).labels], [1, 1, 2]);
    assert.deepEqual(
      dataset.problems.map(({ kind, file }) => [kind, file]),
      [['duplicate-class', join(root, 'data.yaml')]],
    );
  });

  it('reads outlines', async () => {
    const labels = '0 0.1 0.1 0.6 0.1 0.6 0.6 0.1 0.6\n1 0.5 0.5 0.5 0.5\n';
    const dataset = await openDataset(
      await makeFiles({ ...yoloFiles, 'labels/train/a.txt': labels }),
    );
    assert.ok(dataset.hasMasks);
    const entry = dataset.entry(0);
    assert.deepEqual(objectsOf(dataset, entry), ['cat 4 2 24 12', 'dog 10 5 30 15']);
    assert.deepEqual([...entry.areas], [200, 200]);
    assert.deepEqual(await entry.segmentations?.(), [[[4, 2, 24, 2, 24, 12, 4, 12]], undefined]);
  });

  it('reads keypoints', async () => {
    const dataset = await openDataset(
      await makeFiles({
        ...yoloFiles,
        'data.yaml': 'train: images/train\nkpt_shape: [2, 3]\nnames: [cat]\n',
        'labels/train/a.txt': '0 0.5 0.5 0.5 0.5 0.5 0.5 2 0.25 0.5 1\n',
      }),
    );
    assert.equal(dataset.keypointCount, 2);
    assert.deepEqual([...(dataset.entry(0).keypoints ?? [])], [20, 10, 2, 10, 10, 1]);
  });

  it('tells file and line of what is wrong', async () => {
    const labels = [
      '0 0.5 0.5 0.5 0.5',
      '7 0.5 0.5 0.5 0.5',
      'cat 0.5 0.5 0.5 0.5',
      '',
      '0 0.5 0.5 0.5',
      '0 0.5 nan 0.5 0.5',
      '0 0.5 0.5 0 0.5',
      '0 0.9 0.5 0.5 0.5',
      '0 0.5 0.5 0.5 0.5',
    ];
    const root = await makeFiles({
      ...yoloFiles,
      'labels/train/a.txt': labels.join('\r\n'),
      'images/val/broken.png': 'no picture',
    });
    const { problems } = await openDataset(root);
    const file = join(root, 'labels/train/a.txt');
    assert.deepEqual(
      problems.filter((problem) => problem.file === file).map(({ kind, line }) => [kind, line]),
      [
        ['unknown-class', 2],
        ['annotation', 3],
        ['annotation', 5],
        ['box-number', 6],
        ['box-area', 7],
        ['box-outside', 8],
        ['duplicate-box', 9],
      ],
    );
    assert.match(problems[0]?.message ?? '', /the class 7 is not listed: .*data\.yaml has 2 names/);
    const [other, ...more] = problems.filter((problem) => problem.file !== file);
    assert.equal(other?.kind, 'image-unreadable');
    assert.match(other.file, /broken\.png$/);
    assert.deepEqual(more, []);
  });
});

describe("data sets of Penn-Fudan's kind", () => {
  after(removeFiles);

  it('objects are the numbers in the masks', async () => {
    const pixels = Buffer.alloc(30 * 20);
    for (let y = 5; y < 9; y++) pixels.fill(2, y * 30 + 3, y * 30 + 13);
    pixels.fill(1, 17 * 30 + 20, 17 * 30 + 21);
    const mask = await sharp(pixels, { raw: { width: 30, height: 20, channels: 1 } })
      .toColourspace('b-w')
      .png()
      .toBuffer();
    const root = await makeFiles({
      'PedMasks/p1_mask.png': mask,
      'PedMasks/p2_mask.png': mask,
      'PedMasks/p3_mask.png': 'no mask',
      'PNGImages/p1.png': [30, 20],
    });
    const dataset = await openDataset(root);
    assert.equal(dataset.format, 'penn-fudan');
    assert.equal(dataset.length, 1);
    const entry = dataset.entry(0);
    assert.deepEqual(objectsOf(dataset, entry), ['person 20 17 21 18', 'person 3 5 13 9']);
    assert.deepEqual([...entry.areas], [1, 40]);
    const [, second] = (await entry.segmentations?.()) ?? [];
    assert.ok(second && 'size' in second);
    const bitmap = rle.decode(second);
    assert.deepEqual([bitmap[5 * 30 + 3], bitmap[5 * 30 + 13], bitmap[17 * 30 + 20]], [1, 0, 0]);
    assert.deepEqual(
      dataset.problems.map(({ kind, file }) => [kind, file.slice(root.length + 1)]).sort(),
      [
        ['image-missing', 'PedMasks/p2_mask.png'],
        ['mask', 'PedMasks/p3_mask.png'],
      ],
    );
  });
});

describe('openDataset', () => {
  after(removeFiles);

  const options: [string, object, string, RegExp][] = [
    ['an unknown option', { splits: 'train' }, 'ERR_OPTION_UNKNOWN', /"splits".*"split"/],
    ['an unknown format', { format: 'kitti' }, 'ERR_OPTION_VALUE', /"format".*coco, voc, yolo/],
    ['a tolerance below 0', { tolerance: -1 }, 'ERR_OPTION_VALUE', /"tolerance".*-1/],
    ['no classes', { classes: [] }, 'ERR_OPTION_VALUE', /"classes"/],
    ['an unknown wish', { onProblem: 'ignore' }, 'ERR_OPTION_VALUE', /"onProblem".*"ignore"/],
  ];
  for (const [name, wrong, code, message] of options) {
    it(`refuses ${name}`, async () => {
      const root = await makeFiles(yoloFiles);
      await assert.rejects(openDataset(root, wrong), { code, message });
    });
  }

  it('says what it looked for where there is nothing', async () => {
    const root = await makeFiles({ 'a.png': [4, 4] });
    await assert.rejects(openDataset(root), {
      code: 'ERR_DATASET',
      message: /no data set is in this folder\. Looked for COCO .* Penn-Fudan/,
    });
    await assert.rejects(openDataset(root, { format: 'voc' }), { message: /no voc data set/ });
    await assert.rejects(openDataset(join(root, 'b')), { code: 'ERR_FILE', message: /no such/ });
    await assert.rejects(openDataset(join(root, 'a.png')), { message: /no data set\. A file is/ });
  });

  it('tells how far it is, and can be aborted', async () => {
    const root = await makeFiles(yoloFiles);
    const told: number[] = [];
    await openDataset(root, { onProgress: (done) => told.push(done) });
    assert.deepEqual(told, [0.5, 1]);
    const reason = new Error('enough');
    await assert.rejects(openDataset(root, { signal: AbortSignal.abort(reason) }), reason);
  });

  it('takes the format that is asked for where there are two', async () => {
    const coco = {
      images: [{ id: 1, file_name: 'a.png', width: 40, height: 20 }],
      annotations: [],
      categories: [{ id: 3, name: 'cow' }],
    };
    const root = await makeFiles({ ...yoloFiles, 'labels.json': coco });
    assert.equal((await openDataset(root)).format, 'coco');
    assert.equal((await openDataset(root, { format: 'yolo' })).format, 'yolo');
  });
});
