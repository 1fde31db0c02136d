import assert from 'node:assert/strict';
import { Draft } from '../../lib/data/augment-draft';
import { permutation, RandomStream } from '../../lib/data/augment-random';
import { iouCrop } from '../../lib/data/augment-transforms';
import { mirroredKeypoints } from '../../lib/data/loader-sample';

describe('Draft', () => {
  it('clamps boxes to the image and to what is cropped', () => {
    const draft = new Draft({ width: 10, height: 8, boxes: [-2, 1, 5, 9] });
    assert.deepEqual([...draft.boxes], [0, 1, 5, 8]);
    draft.window(2, 2, 2, 20);
    assert.deepEqual([...draft.boxes], [0, 0, 2, 6]);
    assert.deepEqual([draft.width, draft.height], [2, 20]);
  });

  it('joins a pad, the crop after it and a mirror into one step', () => {
    const draft = new Draft({ width: 10, height: 8, boxes: [] });
    draft.window(-5, -4, 30, 20, [1, 2, 3]);
    draft.window(2, 3, 8, 6);
    draft.flip();
    const area = { left: -3, top: -1, width: 8, height: 6 };
    assert.deepEqual(draft.steps, [{ type: 'window', ...area, fill: [1, 2, 3], flip: true }]);
    draft.flip();
    assert.equal(draft.steps.length, 1);
    // What was cut away does not come back: this pad must be a step of its own.
    draft.window(-1, 0, 9, 6);
    assert.equal(draft.steps.length, 2);
  });

  it('does nothing where a size stays as it is', () => {
    const draft = new Draft({ width: 10, height: 8, boxes: [] });
    draft.resize(10, 8);
    assert.deepEqual(draft.steps, []);
  });

  it('moves keypoints with their objects', () => {
    const draft = new Draft({
      width: 20,
      height: 10,
      boxes: [0, 0, 4, 4, 2, 2, 18, 9],
      keypoints: [1, 1, 2, 3, 3, 2, 5, 5, 0, /**/ 4, 4, 1, 15, 8, 2, 7, 7, 0],
      mirroredKeypoints: [[0, 1]],
    });
    draft.flip();
    // Left and right change places; what is not marked becomes 0, 0, 0.
    assert.deepEqual(
      [...(draft.keypoints ?? [])],
      [17, 3, 2, 19, 1, 2, 0, 0, 0, /**/ 5, 8, 2, 16, 4, 1, 0, 0, 0],
    );
    draft.keep((k) => k === 1);
    assert.deepEqual(draft.kept, [1]);
    draft.resize(40, 5);
    assert.deepEqual([...(draft.keypoints ?? [])], [10, 4, 2, 32, 2, 1, 0, 0, 0]);
    draft.window(9, 0, 20, 4);
    // The first is on the lower edge, which is outside; so is the second.
    assert.deepEqual([...(draft.keypoints ?? [])], [0, 0, 0, 0, 0, 0, 0, 0, 0]);
  });

  it('sanitize drops what is less than a pixel', () => {
    const boxes = [0, 0, 0.5, 5, 0, 0, 1, 1, 3, 3, 3, 9];
    const draft = new Draft({ width: 10, height: 10, boxes });
    draft.sanitize();
    assert.deepEqual(draft.kept, [1]);
  });

  it('an image without boxes is not cropped for ever', () => {
    const draft = new Draft({ width: 10, height: 10, boxes: [] });
    iouCrop()(draft, new RandomStream(1));
    assert.deepEqual(draft.steps, []);
  });

  it('a user can write a transform', () => {
    const topHalf = (draft: Draft): void => {
      draft.window(0, 0, draft.width, Math.ceil(draft.height / 2));
    };
    const draft = new Draft({ width: 10, height: 9, boxes: [1, 1, 5, 8, 1, 6, 5, 8] });
    topHalf(draft);
    draft.sanitize();
    assert.deepEqual([draft.height, draft.kept], [5, [0]]);
  });
});

describe('mirroredKeypoints', () => {
  it('pairs names that differ in left and right alone', () => {
    const names = ['nose', 'left_eye', 'right_eye', 'Left ear', 'left_knee', 'right_knee'];
    assert.deepEqual(mirroredKeypoints(names), [
      [1, 2],
      [4, 5],
    ]);
  });

  it('however the names are spelt', () => {
    const names = ['LeftEye', 'RightEye', 'Left_Ear', 'Right_Ear', 'LEFT', 'right'];
    assert.deepEqual(mirroredKeypoints(names), [
      [0, 1],
      [2, 3],
      [4, 5],
    ]);
  });
});

describe('RandomStream', () => {
  it('depends on its names alone', () => {
    const draw = (...names: number[]): number[] => {
      const stream = new RandomStream(...names);
      return Array.from({ length: 4 }, () => stream.next());
    };
    assert.deepEqual(draw(1, 2, 3), draw(1, 2, 3));
    // Neighbouring names, and the same in another order, are different streams.
    const streams = [
      [1, 2, 3],
      [1, 2, 4],
      [2, 2, 3],
      [1, 3, 2],
      [1, 2, 3, 0],
      [2 ** 40 + 1, 2, 3],
    ];
    const firsts = new Set(streams.map((names) => draw(...names)[0]));
    assert.equal(firsts.size, streams.length);
  });

  it('is even: neighbouring streams, tenths and order', () => {
    const counts = new Array<number>(10).fill(0);
    const places = [0, 0, 0];
    let sum = 0;
    for (let name = 0; name < 3000; name++) {
      const stream = new RandomStream(5, name);
      const value = stream.next();
      assert.ok(value >= 0 && value < 1 && Number.isInteger(value * 2 ** 24));
      sum += value;
      const tenth = stream.integer(10);
      counts[tenth] = (counts[tenth] ?? 0) + 1;
      const place = permutation(3, stream).indexOf(0);
      places[place] = (places[place] ?? 0) + 1;
    }
    // Four standard deviations.
    assert.ok(Math.abs(sum / 3000 - 0.5) < 4 * Math.sqrt(1 / 12 / 3000));
    for (const count of counts) assert.ok(Math.abs(count - 300) < 66, String(counts));
    for (const count of places) assert.ok(Math.abs(count - 1000) < 104, String(places));
  });
});
