import assert from 'node:assert/strict';
import { CocoEvaluator } from '../../lib';

const box = (x: number, y = 0, side = 20) => [x, y, x + side, y + side];
const boxes = (...corners: readonly number[]) => corners.flatMap((x) => box(x));

/** Labels 3 and 8, so that labels and places differ. */
function evaluator() {
  return new CocoEvaluator({
    categories: [
      { label: 3, name: 'cat' },
      { label: 8, name: 'dog' },
    ],
  });
}

describe('confusion', () => {
  it('counts right, missed, false and confused, image by image', async () => {
    const one = evaluator();
    one.add(
      'b',
      { boxes: boxes(0, 100, 200, 300), labels: [3, 3, 8, 8] },
      {
        // Right; the same again, so false; a cat taken for a dog; a stray; a label nobody asked for; below the threshold.
        boxes: boxes(0, 1, 100, 500, 200, 300),
        labels: [3, 3, 8, 3, 99, 8],
        scores: [0.9, 0.8, 0.7, 0.6, 0.99, 0.4],
      },
    );
    one.add('a', { boxes: boxes(0), labels: [8] }, { boxes: boxes(0), labels: [8], scores: [0.5] });
    const confusion = await one.confusion();
    // Rows: cat, dog, nothing.
    assert.deepEqual([...confusion.matrix], [1, 1, 0, 0, 1, 2, 2, 0, 0]);
    assert.equal(confusion.count(3, 8), 1);
    assert.equal(confusion.count(8, null), 2);
    assert.equal(confusion.count(null, 3), 2);
    assert.deepEqual(confusion.images, [
      { imageId: 'a', missed: [], falseDetections: [], confused: [], found: 1 },
      {
        imageId: 'b',
        missed: [2, 3],
        falseDetections: [1, 3],
        confused: [{ object: 1, detection: 2 }],
        found: 1,
      },
    ]);
    assert.deepEqual(confusion.worstImages(), [confusion.images[1]]);
    assert.deepEqual(confusion.worstImages(0), []);
    const [cat, dog] = confusion.classes;
    assert.ok(cat && dog);
    assert.equal(cat.precision, 1 / 3);
    assert.equal(cat.recall, 1 / 2);
    assert.equal(cat.f1, 2 / 5);
    assert.equal(dog.precision, 1 / 2);
    assert.equal(dog.recall, 1 / 3);
  });

  it('thresholds can be moved', async () => {
    const one = evaluator();
    // 20 x 20 boxes 5 apart share 15 / 25.
    one.add(1, { boxes: boxes(0), labels: [3] }, { boxes: boxes(5), labels: [3], scores: [0.3] });
    const at = async (scoreThreshold: number, iouThreshold: number) =>
      [...(await one.confusion({ scoreThreshold, iouThreshold })).matrix].join(' ');
    assert.equal(await at(0.3, 0.6), '1 0 0 0 0 0 0 0 0');
    assert.equal(await at(0.3, 0.61), '0 0 1 0 0 0 1 0 0');
    assert.equal(await at(0.31, 0.6), '0 0 1 0 0 0 0 0 0');
  });

  it('prefers the right class to the larger overlap', async () => {
    const one = evaluator();
    one.add(
      1,
      { boxes: boxes(0, 4), labels: [3, 8] },
      { boxes: boxes(4), labels: [3], scores: [1] },
    );
    assert.deepEqual([...(await one.confusion()).matrix], [1, 0, 0, 0, 0, 1, 0, 0, 0]);
  });

  it('counts neither crowds, difficult objects nor what an image does not mark', async () => {
    const one = evaluator();
    one.add(
      1,
      {
        boxes: [...box(0, 0, 100), ...box(200), ...box(300)],
        labels: [3, 3, 8],
        crowd: [1, 0, 0],
        difficult: [0, 1, 0],
        labelledClasses: [3],
      },
      {
        // Two within the crowd, the difficult one, a stray dog where dogs are not marked, and a stray cat.
        boxes: [...box(10, 10), ...box(40, 40), ...box(200), ...box(400), ...box(500)],
        labels: [3, 3, 3, 8, 3],
        scores: [1, 1, 1, 1, 1],
      },
    );
    const { matrix, images } = await one.confusion();
    assert.deepEqual([...matrix], [0, 0, 0, 0, 0, 1, 1, 0, 0]);
    assert.deepEqual(images[0]?.missed, [2]);
    assert.deepEqual(images[0].falseDetections, [4]);
  });

  it('without anything there is nothing to divide by', async () => {
    const { classes, images } = await evaluator().confusion();
    assert.deepEqual(classes[0], { label: 3, name: 'cat', precision: -1, recall: -1, f1: -1 });
    assert.deepEqual(images, []);
  });
});
