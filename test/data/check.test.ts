// What checkDataset finds in whole folders.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkDataset, type CheckOptions } from '../../lib/data';
import { cocoFile, cocoFiles, makeFiles, removeFiles, vocFiles, vocXml } from './made-files';

const damaged = Buffer.concat([
  Buffer.from('89504e470d0a1a0a0000000d49484452', 'hex'),
  Buffer.from('0000001e0000001408020000000000000000000000', 'hex'),
]);

describe('checkDataset', () => {
  after(removeFiles);

  it('counts splits, classes and sizes', async () => {
    const report = await checkDataset(await makeFiles(vocFiles));
    assert.deepEqual(report, {
      format: 'voc',
      hasMasks: false,
      keypointCount: 0,
      splits: [
        { name: 'train', images: 2, objects: 3 },
        { name: 'val', images: 1, objects: 0 },
      ],
      images: 3,
      objects: 3,
      crowds: 0,
      emptyImages: 1,
      partlyMarked: 0,
      classes: [
        { name: 'ant', label: 1, objects: 1, images: 1 },
        { name: 'cat', label: 2, objects: 2, images: 2 },
      ],
      longerSide: { smallest: 16, largest: 40 },
      boxSize: { smallest: 6, median: 10, largest: Math.sqrt(300) },
      problems: [],
    });
    const coco = await checkDataset(await makeFiles(cocoFiles));
    assert.equal(coco.crowds, 1);
    assert.equal(coco.partlyMarked, 1);
    assert.ok(coco.hasMasks);
    assert.deepEqual(coco.splits, [{ name: undefined, images: 3, objects: 3 }]);
    assert.deepEqual(
      coco.classes.map(({ name, label, images }) => [name, label, images]),
      [
        ['dog', 1, 2],
        ['toothbrush', 2, 1],
      ],
    );
  });

  it('finds images that are damaged, missing or of another size', async () => {
    const images = [
      ...cocoFile.images,
      { id: 10, file_name: 'damaged.png', width: 30, height: 20 },
      { id: 11, file_name: 'gone.png', width: 30, height: 20 },
      { id: 12, file_name: 'turned.png', width: 30, height: 20 },
    ];
    const files = {
      ...cocoFiles,
      'instances.json': { ...cocoFile, images },
      'images/empty.png': [8, 8],
      'images/turned.png': [20, 30],
      'images/damaged.png': damaged,
    } as const;
    const root = await makeFiles(files);
    const { problems } = await checkDataset(root);
    assert.deepEqual(
      problems.map(({ kind, image, file }) => [kind, image, file.slice(root.length + 1)]),
      [
        ['image-unreadable', 'damaged.png', 'images/damaged.png'],
        ['image-size', 'empty.png', 'images/empty.png'],
        ['image-size', 'turned.png', 'images/turned.png'],
        ['image-missing', 'gone.png', 'instances.json'],
      ],
    );
    assert.match(problems[1]?.message ?? '', /it is 8 x 8 pixels, but .* says 16 x 16; the boxes/);
    assert.match(problems[2]?.message ?? '', /before its EXIF orientation was applied/);
    const quick = await checkDataset(root, { decode: false });
    assert.deepEqual(
      quick.problems.map(({ kind }) => kind),
      ['image-missing'],
    );
    await assert.rejects(checkDataset(root, { onProblem: 'throw' }), { code: 'ERR_DATASET' });
  });

  it('finds outlines that cannot be drawn', async () => {
    const [first, ...others] = cocoFile.annotations;
    const outlines = [[[1, 2, 3]], { size: [5, 5], counts: [25] }, [[0, 0, 5, 0, 5, 'x']]];
    const bad = outlines.map((segmentation, k) => ({
      ...first,
      ...{ id: 200 + k, bbox: [k, 0, 5, 5], segmentation },
    }));
    const annotations = [first, ...others, ...bad];
    const root = await makeFiles({ ...cocoFiles, 'instances.json': { ...cocoFile, annotations } });
    const { problems } = await checkDataset(root);
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['mask', 'mask', 'mask'],
    );
    const messages = problems.map(({ message }) => message).join('\n');
    assert.match(messages, /annotation 200\).*3 points or more, this has 3 numbers/);
    assert.match(messages, /annotation 201\).*runs are for 5 x 5 pixels, the image has 30 x 20/);
    assert.match(messages, /annotation 202\).*no finite number/);
  });

  it('finds outlines that lie far outside, and classes of one name, once', async () => {
    const [first] = cocoFile.annotations;
    const images = cocoFile.images.map((image, k) => ({ ...image, split: `fold${k % 2}` }));
    const annotations = [{ ...first, segmentation: [[1, 1, 1e9, 1, 10, 10]] }];
    const categories = [...cocoFile.categories, { id: 91, name: 'dog' }];
    const file = { ...cocoFile, images, annotations, categories };
    const { problems } = await checkDataset(
      await makeFiles({ ...cocoFiles, 'instances.json': file }),
    );
    assert.deepEqual(
      problems.map(({ kind }) => kind),
      ['duplicate-class', 'mask'],
    );
    assert.match(
      problems[1]?.message ?? '',
      /annotation 100\).*\[1000000000, 1\].*; what lies beyond is cut/,
    );
  });

  it('finds images in two splits', async () => {
    const root = await makeFiles({ ...vocFiles, 'ImageSets/Main/val.txt': 'three\none\n' });
    const { problems } = await checkDataset(root);
    assert.equal(problems.length, 1);
    assert.equal(problems[0]?.kind, 'duplicate-image');
    assert.match(problems[0].message, /one\.png is in the splits train and val/);
    assert.deepEqual((await checkDataset(root, { split: 'val' })).problems, []);
  });

  it('tells progress, goes by a function, and can be aborted', async () => {
    const xml = vocXml('one.png', [30, 20], [['cat', 5, 5, 5, 9]]);
    const root = await makeFiles({ ...vocFiles, 'Annotations/one.xml': xml });
    const told: string[] = [];
    await checkDataset(root, {
      onReading: (done) => told.push(done.toFixed(2)),
      onProgress: (done, total) => told.push(`${done}/${total}`),
    });
    assert.deepEqual(told, ['0.33', '0.67', '1.00', '0.33', '0.67', '1.00', '1/3', '2/3', '3/3']);
    const kinds: string[] = [];
    const onProblem: CheckOptions['onProblem'] = ({ kind }) => {
      kinds.push(kind);
      return 'throw';
    };
    await assert.rejects(checkDataset(root, { onProblem }), {
      message: `${join(root, 'Annotations/one.xml')}:5: object 1: the box [5, 5, 5, 9] has no area, it is 0 x 4 pixels.`,
    });
    assert.deepEqual(kinds, ['box-area']);
    const reason = new Error('enough');
    await assert.rejects(checkDataset(root, { signal: AbortSignal.abort(reason) }), reason);
    await assert.rejects(checkDataset(root, { decode: 1 } as unknown as CheckOptions), {
      code: 'ERR_OPTION_VALUE',
    });
    await assert.rejects(checkDataset(root, { fast: true } as CheckOptions), {
      code: 'ERR_OPTION_UNKNOWN',
    });
  });
});
