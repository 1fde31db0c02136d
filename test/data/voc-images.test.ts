// Which image belongs to an annotation file of Pascal VOC's kind.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { datasetSplits, openDataset } from '../../lib/data';
import { entriesOf, makeFiles, objectsOf, removeFiles, vocXml, type MadeFile } from './made-files';

const xml = (name: string, x: number) => vocXml(name, [30, 20], [['cat', x, 1, x + 5, 9]]);

/** Images by split, below the root. */
async function imagesOf(files: Readonly<Record<string, MadeFile>>, options: object = {}) {
  const root = await makeFiles(files);
  const found: Record<string, string[]> = {};
  for (const split of await datasetSplits(root)) {
    const dataset = await openDataset(root, { split, ...options });
    assert.deepEqual(dataset.problems, []);
    found[split] = entriesOf(dataset).map(({ image }) => image.slice(root.length + 1));
  }
  return found;
}

describe('images of Pascal VOC', () => {
  after(removeFiles);

  const layouts: [string, (split: string) => string, (split: string) => string][] = [
    ['one folder for each split', (split) => split, (split) => split],
    ['folders in each split', (split) => `${split}/Annotations`, (split) => `${split}/JPEGImages`],
    ['splits in each folder', (split) => `annotations/${split}`, (split) => `pictures/${split}`],
    ['annotations below the images', (split) => `${split}/xml`, (split) => split],
    ['images below the annotations', (split) => split, (split) => `${split}/images`],
    ['splits at other depths', (split) => `${split}/xml`, (split) => `images/${split}`],
  ];
  for (const [name, xmlFolder, imageFolder] of layouts) {
    it(`are those of the same split: ${name}`, async () => {
      const files: Record<string, MadeFile> = {};
      ['train', 'valid'].forEach((split, k) => {
        files[`${xmlFolder(split)}/001.xml`] = xml('001.png', k);
        files[`${imageFolder(split)}/001.png`] = [30, 20];
      });
      assert.deepEqual(await imagesOf(files), {
        train: [`${imageFolder('train')}/001.png`],
        val: [`${imageFolder('valid')}/001.png`],
      });
    });
  }

  it('keep folders in their names where several are called the same', async () => {
    const root = await makeFiles({
      'train/001.xml': xml('001.png', 1),
      'train/001.png': [30, 20],
      'train/002.xml': xml('002.png', 1),
      'train/002.png': [30, 20],
      'valid/001.png': [30, 20],
    });
    assert.deepEqual(
      entriesOf(await openDataset(root)).map(({ name }) => name),
      [join('train', '001.png'), '002.png'],
    );
  });

  it('are looked for in imageDir by the same rules', async () => {
    const images = await makeFiles({ 'train/001.png': [30, 20], 'valid/001.png': [30, 20] });
    const root = await makeFiles({
      'train/001.xml': xml('001.png', 1),
      'valid/001.xml': xml('001.png', 2),
    });
    for (const [split, folder] of [
      ['train', 'train'],
      ['val', 'valid'],
    ] as const) {
      const [entry] = entriesOf(await openDataset(root, { split, imageDir: images }));
      assert.equal(entry?.image, join(images, folder, '001.png'));
    }
  });

  it('prefer the usual folder, and the folder that is written with the name', async () => {
    const usual = await openDataset(
      await makeFiles({
        'Annotations/001.xml': xml('001.png', 1),
        'JPEGImages/001.png': [30, 20],
        'Drawn/001.png': [30, 20],
      }),
    );
    assert.match(usual.entry(0).image, /JPEGImages.001\.png$/);
    const written = await openDataset(
      await makeFiles({
        'xml/all/1.xml': xml('b/001.png', 1),
        'a/001.png': [30, 20],
        'b/001.png': [30, 20],
      }),
    );
    assert.match(written.entry(0).image, /b.001\.png$/);
  });

  const doubtful: [string, Record<string, MadeFile>, RegExp][] = [
    [
      'several fit',
      { 'xml/001.xml': xml('001.png', 1), 'a/001.png': [30, 20], 'b/001.png': [30, 20] },
      /the image 001\.png could be any of a.001\.png, b.001\.png; it is left out/,
    ],
    [
      'only that of another split is there',
      { 'train/001.xml': xml('001.png', 1), 'valid/001.png': [30, 20] },
      /is not there, only another split's valid.001\.png/,
    ],
    [
      'only that of other annotations is there',
      {
        'fold1/001.xml': xml('001.png', 1),
        'fold2/001.xml': xml('001.png', 1),
        'fold2/001.png': [30, 20],
      },
      /is not there, only fold2.001\.png, and several files are called 001\.xml/,
    ],
  ];
  for (const [name, files, message] of doubtful) {
    it(`are left out with a word where ${name}`, async () => {
      const { problems } = await openDataset(await makeFiles(files));
      assert.equal(problems.length, 1, JSON.stringify(problems));
      assert.equal(problems[0]?.kind, 'image-missing');
      assert.match(problems[0].message, message);
    });
  }

  it('may have spaces in their names', async () => {
    const names = ['my photo', 'my', '12 1', 'a.b'];
    const files: Record<string, MadeFile> = {};
    names.forEach((name, k) => {
      files[`Annotations/${name}.xml`] = xml(`${name}.png`, k);
      files[`JPEGImages/${name}.png`] = [30, 20];
    });
    const lists = {
      'ImageSets/Main/train.txt': 'my photo\n12 1\na.b 1\n',
      'ImageSets/Main/test.txt': 'my photo.png\nmy -1\n',
    };
    assert.deepEqual(await imagesOf({ ...files, ...lists }), {
      test: ['JPEGImages/my photo.png', 'JPEGImages/my.png'],
      train: ['JPEGImages/my photo.png', 'JPEGImages/12 1.png', 'JPEGImages/a.b.png'],
    });
  });

  it('lists of one class are no splits, other names with a _ are', async () => {
    const root = await makeFiles({
      'Annotations/1.xml': xml('1.png', 1),
      'JPEGImages/1.png': [30, 20],
      'ImageSets/Main/cat_train.txt': '1  1\n2 -1\n',
      'ImageSets/Main/fold_1.txt': '1\n',
    });
    assert.deepEqual(await datasetSplits(root), ['fold_1']);
  });
});

describe('encodings of annotation files', () => {
  after(removeFiles);

  const declared = (encoding: string) =>
    `<?xml version="1.0" encoding="${encoding}"?>\n${vocXml('1.png', [30, 20], [['K\u00e4fer', 1, 1, 5, 9]])}`;
  const cases: [string, Buffer][] = [
    ['ISO-8859-1', Buffer.from(declared('ISO-8859-1'), 'latin1')],
    ['UTF-8', Buffer.from(`\ufeff${declared('utf-8')}`)],
    ['UTF-16', Buffer.from(`\ufeff${declared('UTF-16')}`, 'utf16le')],
    ['UTF-8 that says it is UTF-16', Buffer.from(declared('utf-16'))],
    ['none', Buffer.from(vocXml('1.png', [30, 20], [['K\u00e4fer', 1, 1, 5, 9]]))],
  ];
  for (const [name, bytes] of cases) {
    it(`reads ${name}`, async () => {
      const root = await makeFiles({ 'Annotations/1.xml': bytes, 'JPEGImages/1.png': [30, 20] });
      const dataset = await openDataset(root);
      assert.deepEqual(objectsOf(dataset, dataset.entry(0)), ['K\u00e4fer 1 1 5 9']);
    });
  }

  it('tells one that is not known', async () => {
    const files = { '1.xml': declared('klingon'), '2.xml': xml('2.png', 1), '2.png': [30, 20] };
    const { problems, length } = await openDataset(await makeFiles(files));
    assert.equal(length, 1);
    assert.equal(problems[0]?.kind, 'annotation');
    assert.match(problems[0].message, /its encoding "klingon" is not known/);
  });
});
