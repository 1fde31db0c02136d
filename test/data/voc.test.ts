// Annotation files of Pascal VOC's kind.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { checkDataset, datasetSplits, openDataset } from '../../lib/data';
import { entriesOf, makeFiles, objectsOf, removeFiles, vocFiles, vocXml } from './made-files';

const boxes = (xml: string) => ({ ...vocFiles, 'Annotations/one.xml': xml });

describe('data sets of Pascal VOC', () => {
  after(removeFiles);

  it('opens with all images, classes by alphabet', async () => {
    const dataset = await openDataset(await makeFiles(vocFiles));
    assert.equal(dataset.format, 'voc');
    assert.deepEqual(dataset.names, ['__background__', 'ant', 'cat']);
    assert.deepEqual(
      entriesOf(dataset).map((entry) => [entry.name, ...objectsOf(dataset, entry)]),
      [['one.png', 'cat 1 2 11 12', 'ant 3 3 9 9'], ['three.png'], ['two.png', 'cat 5 5 25 20']],
    );
    assert.equal(dataset.hasMasks, false);
    assert.ok(!('segmentations' in dataset.entry(0)));
    assert.deepEqual([...dataset.entry(0).areas], [100, 36]);
  });

  it('reads splits in the order of their lists, with the labels of the whole', async () => {
    const root = await makeFiles(vocFiles);
    assert.deepEqual(await datasetSplits(root), ['train', 'trainval', 'val']);
    const train = await openDataset(root, { split: 'train' });
    assert.deepEqual(
      entriesOf(train).map(({ name, id }) => [name, id]),
      [
        ['two.png', 3],
        ['one.png', 1],
      ],
    );
    const val = await openDataset(root, { split: 'val' });
    assert.deepEqual(val.names, train.names);
    await assert.rejects(openDataset(root, { split: 'test' }), {
      message: /no split "test"; the data set has train, trainval, val/,
    });
  });

  it('takes the classes of a classes.txt in its order', async () => {
    const root = await makeFiles({ ...vocFiles, 'classes.txt': 'cat\r\nbee\nant\n\n' });
    const dataset = await openDataset(root);
    assert.deepEqual(dataset.names, ['__background__', 'cat', 'bee', 'ant']);
    assert.deepEqual([...dataset.entry(0).labels], [1, 3]);
  });

  it('reads difficult objects, entities and images without a size', async () => {
    const xml = vocXml('', [0, 0], [['a &amp; b', 1, 1, 5, 5]]).replace(
      '<bndbox>',
      '<difficult>1</difficult><bndbox>',
    );
    const dataset = await openDataset(await makeFiles(boxes(xml)));
    const entry = dataset.entry(0);
    assert.deepEqual(objectsOf(dataset, entry), ['a & b 1 1 5 5']);
    assert.deepEqual([...entry.difficult], [1]);
    // The size is the file's, which was found by the name of the annotations.
    assert.deepEqual([entry.name, entry.width, entry.height], ['one.png', 30, 20]);
  });

  const cases: [string, string, string, number | undefined, RegExp][] = [
    [
      'no area',
      vocXml('one.png', [30, 20], [['cat', 5, 5, 5, 9]]),
      'box-area',
      5,
      /object 1: the box \[5, 5, 5, 9\] has no area/,
    ],
    [
      'swapped corners',
      vocXml(
        'one.png',
        [30, 20],
        [
          ['cat', 1, 1, 2, 2],
          ['cat', 9, 5, 5, 9],
        ],
      ),
      'box-area',
      7,
      /object 2: .*-4 x 4 pixels/,
    ],
    [
      'no coordinate',
      vocXml('one.png', [30, 20], [['cat', '', 5, 5, 9]]),
      'box-number',
      5,
      /no finite number/,
    ],
    [
      'words for coordinates',
      vocXml('one.png', [30, 20], [['cat', 'left', 5, 5, 9]]),
      'box-number',
      5,
      /no finite number/,
    ],
    [
      'no box',
      vocXml('one.png', [30, 20], [['cat']]).replace(/<bndbox><\/bndbox>/, ''),
      'annotation',
      4,
      /object 1 \(cat\) has no bndbox/,
    ],
    [
      'no XML',
      '<annotation>\n<object>\n</annotation>',
      'annotation',
      3,
      /no annotation file that can be read/,
    ],
    ['another root', '<html></html>', 'annotation', undefined, /outermost element is <html>/],
    [
      'an image that is not there',
      vocXml('none.png', [3, 3], []),
      'image-missing',
      undefined,
      /the image none\.png is not there/,
    ],
  ];
  for (const [name, xml, kind, line, message] of cases) {
    it(`tells the file and line of ${name}`, async () => {
      const missing = kind === 'image-missing';
      const files = Object.entries(boxes(xml)).filter(
        ([file]) => !missing || file !== 'JPEGImages/one.png',
      );
      const root = await makeFiles(Object.fromEntries(files));
      const { problems, length } = await openDataset(root);
      assert.equal(problems.length, 1, JSON.stringify(problems));
      const [problem] = problems;
      assert.equal(problem?.kind, kind);
      assert.equal(problem.file, join(root, 'Annotations/one.xml'));
      assert.equal(problem.line, line);
      assert.match(problem.message, message);
      assert.equal(length, kind.startsWith('box') || name === 'no box' ? 3 : 2);
      await assert.rejects(openDataset(root, { onProblem: 'throw' }), { code: 'ERR_DATASET' });
    });
  }

  it('tells what is wrong with a list, and unknown classes', async () => {
    const root = await makeFiles({
      ...vocFiles,
      'classes.txt': 'cat\n',
      'ImageSets/Main/train.txt': 'two\nfour\ntwo\none\n',
    });
    const { problems, length } = await openDataset(root, { split: 'train' });
    assert.equal(length, 2);
    assert.deepEqual(
      problems.map(({ kind, file, line }) => [kind, file.slice(root.length + 1), line]),
      [
        ['annotation', 'ImageSets/Main/train.txt', 2],
        ['duplicate-image', 'ImageSets/Main/train.txt', 3],
        ['unknown-class', 'Annotations/one.xml', 7],
      ],
    );
    assert.match(problems[2]?.message ?? '', /object 2 is of the class "ant"/);
    // Those whom the caller did not ask for are no problem.
    assert.deepEqual((await openDataset(root, { classes: ['cat'] })).problems, []);
  });

  it('says which of the classes asked for it does not have', async () => {
    const root = await makeFiles(vocFiles);
    const some = await openDataset(root, { classes: ['__background__', 'bee', 'N/A', 'ant'] });
    assert.deepEqual(some.names, ['__background__', 'bee', 'N/A', 'ant']);
    assert.deepEqual(
      some.categories.map(({ id, label }) => id - label),
      [0, 0, 0],
    );
    assert.deepEqual(objectsOf(some, some.entry(0)), ['ant 3 3 9 9']);
    assert.deepEqual(
      some.problems.map(({ kind, file, message }) => [kind, file, message]),
      [
        [
          'unknown-class',
          root,
          'the class "bee" was asked for, but the data set has none of it; it has ant, cat',
        ],
      ],
    );
    const none = { code: 'ERR_DATASET', message: /none of the classes .*: it has ant, cat\./ };
    for (const split of [undefined, 'train', 'val']) {
      await assert.rejects(openDataset(root, { split, classes: ['Nope'] }), none);
    }
    await assert.rejects(checkDataset(root, { classes: ['Nope'] }), none);
  });

  it('knows the classes of other splits and of classes.txt, and boxes of other classes are no matter', async () => {
    const unboxed = vocXml('one.png', [30, 20], [['ant', 1, 1, 5, 5], ['cat']]).replace(
      '<bndbox></bndbox>',
      '',
    );
    const root = await makeFiles({ ...vocFiles, 'Annotations/one.xml': unboxed });
    // There is no object at all in this split.
    const val = await openDataset(root, { split: 'val', classes: ['ant'] });
    assert.deepEqual([val.length, val.names, val.problems], [1, ['__background__', 'ant'], []]);
    assert.deepEqual((await openDataset(root, { classes: ['ant'] })).problems, []);
    const listed = await makeFiles({ ...vocFiles, 'classes.txt': 'bee\ncat\n' });
    assert.deepEqual((await openDataset(listed, { classes: ['bee'] })).problems, []);
    // One that the list forgot is there where it was asked for.
    const ants = await openDataset(listed, { classes: ['ant'] });
    assert.deepEqual(objectsOf(ants, ants.entry(0)), ['ant 3 3 9 9']);
  });

  it('reads other splits only where the classes are not known without them, and progress goes up', async () => {
    const root = await makeFiles(vocFiles);
    const read = async (...classes: string[]) => {
      const steps: number[] = [];
      const onProgress = (done: number) => steps.push(Math.round(100 * done));
      await openDataset(root, { split: 'train', classes, onProgress });
      return steps;
    };
    assert.deepEqual(await read('cat', 'ant'), [33, 67, 100]);
    assert.deepEqual(await read('cat', 'bee'), [33, 67, 100, 100]);
    const listed = { ...vocFiles, 'classes.txt': 'cat\nant\n', 'Annotations/three.xml': 'no XML' };
    const train = await openDataset(await makeFiles(listed), { split: 'train', classes: ['cat'] });
    assert.deepEqual(train.problems, []);
  });
});
