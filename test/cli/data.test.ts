// torchdet data: what it prints, writes and exits with.
import assert from 'node:assert/strict';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { DataProgress } from '../../lib/cli/run-data';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { openDataset } from '../../lib/data';
import { classColour } from '../../lib/images';
import {
  cocoFile,
  cocoFiles,
  makeFiles,
  removeFiles,
  vocFiles,
  vocXml,
  yoloFiles,
} from '../data/made-files';
import { runHere } from './run-here';

const data = (...args: string[]) => runHere('data', ...args);

const badVoc = {
  ...vocFiles,
  'Annotations/one.xml': vocXml(
    'one.png',
    [30, 20],
    [
      ['cat', 1, 2, 11, 12],
      ['cat', 4, 4, 4, 9],
    ],
  ),
};
const colour = (label: number) =>
  (classColour(label).match(/[0-9a-f]{2}/g) ?? []).map((part) => parseInt(part, 16));

/** The colour of one pixel. */
async function pixel(file: string, x: number, y: number): Promise<number[]> {
  const raw = await sharp(file).extract({ left: x, top: y, width: 1, height: 1 }).raw().toBuffer();
  return [...raw];
}

function assertNear(actual: readonly number[], expected: readonly number[]): void {
  const far = actual.some((value, k) => Math.abs(value - (expected[k] ?? NaN)) > 40);
  assert.ok(!far, `${String(actual)}, not ${String(expected)}`);
}

describe('torchdet data', () => {
  after(removeFiles);

  it('check says what is there, and exits with 0 where nothing is wrong', async () => {
    const root = await makeFiles(cocoFiles);
    const { code, stdout, stderr } = await data('check', root);
    assert.deepEqual([code, stderr], [0, '']);
    assert.ok(stdout.startsWith(`${root}: COCO, 3 images, 3 objects\n`), stdout);
    assert.match(stdout, /masks: yes\n/);
    assert.match(stdout, /crowds: 1\n/);
    assert.match(stdout, /^ +1 +dog +2 +2$/m);
    assert.match(stdout, /\nno problems\n$/);
  });

  it('check tells file and line, and exits with 1', async () => {
    const root = await makeFiles(badVoc);
    const { code, stdout } = await data('check', root);
    assert.equal(code, 1);
    const file = join(root, 'Annotations/one.xml');
    assert.ok(stdout.includes(`\n${file}:7: object 2: the box [4, 4, 4, 9] has no area`), stdout);
    assert.match(stdout, /\n {2}train: 2 images, 2 objects\n/);
    assert.match(stdout, /\n1 problem: 1 box-area\n$/);
    const json = await data('check', root, '--json', '--split', 'train');
    assert.equal(json.code, 1);
    const report = JSON.parse(json.stdout) as { images: number; problems: object[] };
    assert.equal(report.images, 2);
    assert.deepEqual(report.problems, [
      {
        kind: 'box-area',
        message: 'object 2: the box [4, 4, 4, 9] has no area, it is 0 x 5 pixels; it is left out',
        file,
        line: 7,
        image: 'one.png',
      },
    ]);
    const stopped = await data('check', root, '--stop');
    assert.deepEqual([stopped.code, stopped.stdout], [1, '']);
    assert.match(stopped.stderr, /^error: .*one\.xml:7: object 2.*\(ERR_DATASET\)\n$/);
  });

  it('check decodes images unless told not to', async () => {
    const root = await makeFiles({ ...cocoFiles, 'images/empty.png': [9, 9] });
    assert.match((await data('check', root)).stdout, /1 image-size\n$/);
    assert.equal((await data('check', root, '--no-decode')).code, 0);
  });

  it('convert writes, and says what is lost and what is left out', async () => {
    const annotations = [
      ...cocoFile.annotations,
      { id: 9, image_id: 7, category_id: 18, bbox: [3, 3, 0, 5] },
    ];
    const root = await makeFiles({ ...cocoFiles, 'instances.json': { ...cocoFile, annotations } });
    const out = join(root, 'out');
    const { code, stdout, stderr } = await data('convert', root, '--to', 'yolo', '--out', out);
    assert.equal(code, 0);
    assert.ok(stdout.startsWith(`${out}: YOLO, 3 images, 3 objects\n`), stdout);
    assert.match(stdout, /^ {2}not kept: 1 crowds: left out, YOLO has none$/m);
    assert.match(stderr, /^warning: .*instances\.json:\d+ \(byte \d+\): annotation 9/);
    assert.deepEqual((await openDataset(out)).names, ['__background__', 'dog', 'toothbrush']);
    const again = await data('convert', root, '--to', 'yolo', '--out', out);
    assert.equal(again.code, 1);
    assert.match(again.stderr, /is not empty: name a new folder.*\(ERR_FILE\)/);
    const json = await data(
      ...['convert', root, '--to', 'voc', '--out', join(root, 'voc')],
      ...['--images', 'none', '--classes', 'dog', '--json'],
    );
    const told = JSON.parse(json.stdout) as { objects: number; lost: string[]; to: string };
    assert.deepEqual([told.to, told.objects], ['voc', 2]);
    assert.ok(!existsSync(join(root, 'voc/JPEGImages')));
  });

  it('merge writes several sets as one, and says what it holds', async () => {
    const roots = [await makeFiles(badVoc), await makeFiles(cocoFiles)];
    const out = join(roots[0] ?? '', 'out');
    const merge = (...args: string[]) => data('merge', ...roots, '--out', out, ...args);
    const { code, stdout, stderr } = await merge('--classes', 'dog,cat', '--images', 'link');
    assert.equal(code, 0, stderr);
    assert.equal(
      stdout,
      `${out}: COCO, 2 classes\n  train: 5 images, 4 objects\n  val: 1 image, 0 objects\n`,
    );
    assert.match(stderr, /^warning: .*one\.xml:7: object 2: .* has no area.*\n$/);
    const train = await openDataset(out, { split: 'train' });
    assert.deepEqual(train.names, ['__background__', 'dog', 'cat']);
    // The VOC set knows no dogs, the COCO set no cats.
    assert.deepEqual([train.entry(0).labelledClasses, train.entry(3).labelledClasses], [[2], [1]]);
    const again = await merge();
    assert.equal(again.code, 1);
    assert.match(again.stderr, /is not empty: name a new folder.*\(ERR_FILE\)/);
    const json = await data('merge', ...roots, '--out', `${out}2`, '--images', 'none', '--json');
    const told = JSON.parse(json.stdout) as { classes: string[]; splits: object[]; lost: string[] };
    assert.deepEqual(told.classes, ['cat', 'dog', 'toothbrush']);
    assert.deepEqual(told.splits, [
      { name: 'train', images: 5, objects: 5 },
      { name: 'val', images: 1, objects: 0 },
    ]);
    assert.deepEqual(told.lost, []);
  });

  it('show draws boxes, masks and keypoints', async () => {
    const keypoints = [60, 60, 2, 0, 0, 0];
    const root = await makeFiles({
      'k.json': {
        images: [{ id: 1, file_name: 'a.png', width: 200, height: 100 }],
        annotations: [
          {
            ...{ id: 1, image_id: 1, category_id: 1, bbox: [20, 40, 60, 50], keypoints },
            segmentation: [[22, 42, 50, 42, 50, 80, 22, 80]],
          },
          { id: 2, image_id: 1, category_id: 2, bbox: [120, 40, 60, 50], iscrowd: 1 },
        ],
        categories: [
          { id: 1, name: 'cat' },
          { id: 2, name: 'dog' },
        ],
      },
      'a.png': [200, 100],
    });
    const out = join(root, 'out');
    const { code, stdout, stderr } = await data('show', root, '--out', out);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^1 picture drawn in /);
    const picture = join(out, 'a.jpg');
    assert.match(stdout, /^\S+a\.jpg +2 +\S+a\.png$/m);
    assertNear(await pixel(picture, 80, 75), colour(1));
    assertNear(await pixel(picture, 180, 75), colour(2));
    assertNear(await pixel(picture, 60, 60), colour(1));
    const background = [0x88, 0x99, 0xaa];
    assertNear(await pixel(picture, 100, 70), background);
    // The mask lets the picture shine through.
    const shaded = await pixel(picture, 36, 66);
    const [red = 0, , blue = 0] = shaded;
    assert.notDeepEqual(shaded, background);
    assert.ok(Math.abs(red - 0x88) + Math.abs(blue - 0xaa) > 30, String(shaded));
  });

  it('show chooses by seed or by name, and reports what cannot be read', async () => {
    const root = await makeFiles({ ...cocoFiles, 'images/sub/b.png': 'no picture' });
    const out = join(root, 'out');
    const all = await data('show', root, '--out', out, '--json');
    assert.equal(all.code, 1);
    assert.match(all.stderr, /^error: .*b\.png.*\(ERR_IMAGE_FORMAT\)$/m);
    const shown = JSON.parse(all.stdout) as { image: string; picture: string; objects: number }[];
    assert.deepEqual(
      shown.map(({ picture, objects }) => [picture, objects]),
      [
        [join(out, 'a.jpg'), 2],
        [join(out, 'empty.jpg'), 0],
      ],
    );
    const one = join(root, 'one');
    assert.equal((await data('show', root, '--out', one, '--image', 'empty.png')).code, 0);
    assert.deepEqual(readdirSync(one), ['empty.jpg']);
    const none = await data('show', root, '--out', one, '--image', 'c.png');
    assert.equal(none.code, 2);
    assert.match(none.stderr, /--image: the data set has no c\.png/);
    const chosen = new Set<string>();
    for (const seed of ['0', '1', '2', '3']) {
      const { stdout } = await data(
        ...['show', root, '--out', join(root, seed), '-n', '1', '--seed', seed, '--json'],
      );
      chosen.add(stdout.replace(/"picture".*/, ''));
    }
    assert.ok(chosen.size > 1);
  });

  it('show draws over no image of the data set', async () => {
    const root = await makeFiles(yoloFiles);
    const { code, stderr } = await data('show', root, '--out', join(root, 'images/train'));
    assert.equal(code, 2);
    assert.match(stderr, /the images themselves are there/);
  });

  it('show augments', async function () {
    try {
      findLibtorch();
    } catch {
      console.log('      skipped: no LibTorch on this machine');
      this.skip();
    }
    const root = await makeFiles(cocoFiles);
    const out = join(root, 'out');
    const { code, stderr } = await data('show', root, '--out', out, '--augment', 'lsj');
    assert.equal(code, 0, stderr);
    const { width, height } = await sharp(join(out, 'a.jpg')).metadata();
    assert.deepEqual([width, height], [1024, 1024]);
  });

  const usage: [string, string[], RegExp][] = [
    ['no command', [], /Usage: torchdet data/],
    ['an unknown command', ['chekc', 'x'], /unknown command 'chekc'[^]*check/],
    ['no folder', ['check'], /missing required argument 'data'/],
    ['an unknown option', ['check', 'x', '--splt', 'val'], /unknown option '--splt'[^]*--split/],
    ['an unknown format', ['check', 'x', '--format', 'kitti'], /coco, voc, yolo, penn-fudan/],
    ['nothing to convert to', ['convert', 'x', '--out', 'y'], /'-t, --to <kind>' not specified/],
    ['nothing to merge', ['merge', '--out', 'y'], /missing required argument 'data'/],
    ['nowhere to merge to', ['merge', 'x'], /'-o, --out <folder>' not specified/],
    ['no pictures', ['show', 'x', '--out', 'y', '-n', '0'], /whole number from 1/],
    ['a bad tolerance', ['check', 'x', '--tolerance', '-1'], /0 or more/],
    ['an unknown preset', ['show', 'x', '--out', 'y', '-a', 'flip'], /hflip, lsj/],
  ];
  for (const [name, args, message] of usage) {
    it(`exits with 2 for ${name}`, async () => {
      const { code, stdout, stderr } = await data(...args);
      assert.match(stderr, message);
      assert.deepEqual([code, stdout], [2, '']);
    });
  }

  it('exits with 1 where no data set is there', async () => {
    const { code, stderr } = await data('check', join(await makeFiles(), 'gone'));
    assert.equal(code, 1);
    assert.match(stderr, /no such file or folder\. \(ERR_FILE\)/);
  });

  it('draws bars on terminals after a second, for reading and for images', () => {
    const now = Date.now;
    let written = '';
    const stream = {
      isTTY: true,
      columns: 80,
      write: (text: string) => Boolean((written += text)),
      on: () => undefined,
    };
    const progress = new DataProgress(stream as unknown as NodeJS.WriteStream);
    try {
      progress.onReading(0.2);
      assert.equal(written, '');
      Date.now = () => now() + 1100;
      progress.onReading(0.4);
      assert.match(written, /40% of the annotations read/);
      progress.onProgress(1, 5);
      Date.now = () => now() + 2500;
      written = '';
      progress.onProgress(2, 5);
      assert.match(written, /2\/5 images/);
    } finally {
      progress.stop();
      Date.now = now;
    }
  });
});
