// The page that walks through Faster R-CNN: its code is the example's, and the example finds what predict finds.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { classify, detectByHand } from '../../examples/parts/faster-rcnn';
import { Detector } from '../../lib';

const ROOT = join(__dirname, '../..');
const photo = readFileSync(join(ROOT, 'examples/astronaut.jpg'));

function assertNear(actual: ArrayLike<number>, wanted: ArrayLike<number>, tolerance: number): void {
  assert.equal(actual.length, wanted.length);
  for (let i = 0; i < wanted.length; i++) {
    const [found = NaN, expected = NaN] = [actual[i], wanted[i]];
    assert.ok(Math.abs(found - expected) <= tolerance, `${i}: ${found}, not ${expected}`);
  }
}

describe('Faster R-CNN by hand', () => {
  it('comes to what predict comes to, stage by stage', async () => {
    await using detector = await Detector.default({ device: 'cpu' });
    const hand = await detectByHand(detector, photo, [512, 512]);
    const { rpn, heads } = hand.stages;
    assertNear(hand.proposals, rpn.proposals[0]?.data as Float32Array, 1e-3);
    assert.deepEqual(hand.pooled.shape, heads.pooled.shape);
    assertNear(hand.pooled.data as Float32Array, heads.pooled.data as Float32Array, 1e-4);
    const [result] = await detector.predict([photo], { exact: true });
    assert.ok(result && result.length > 0);
    assertNear(hand.boxes, result.boxes, 1e-3);
    assertNear(hand.scores, result.scores, 1e-5);
    assert.deepEqual(hand.labels, Array.from(result.labels));
  });

  it('finds nothing where there are no proposals', async () => {
    const none = new Float32Array(0);
    assert.equal((await classify(none, none, none, [64, 64])).boxes.length, 0);
  });

  it('is the code on the page', () => {
    const page = readFileSync(join(ROOT, 'docs/parts.md'), 'utf8');
    const example = readFileSync(join(ROOT, 'examples/parts/faster-rcnn.ts'), 'utf8');
    for (const name of ['propose', 'classify', 'detectByHand']) {
      const start = example.indexOf(`export async function ${name}(`);
      const code = example.slice(start, example.indexOf('\n}\n', start) + 3);
      assert.ok(
        start >= 0 && page.includes(code),
        `docs/parts.md shows ${name} as the example has it`,
      );
    }
  });
});
