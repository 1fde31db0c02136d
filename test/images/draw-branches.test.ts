// Masks and keypoints on pictures.
import assert from 'node:assert/strict';
import { TorchdetError } from '../../lib/errors';
import { decodeImage, type DecodedImage } from '../../lib/images/decode';
import { classColour, drawDetections, type DrawnDetection } from '../../lib/images/draw';

const [width, height] = [200, 160];
const box = [20, 40, 180, 150];

function canvas(channels: 1 | 3 | 4 = 3) {
  return { data: new Uint8Array(width * height * channels).fill(127), width, height, channels };
}

async function draw(detections: DrawnDetection[], channels?: 1 | 3 | 4): Promise<DecodedImage> {
  return decodeImage(await drawDetections(canvas(channels), detections, { format: 'png' }));
}

function pixel({ data, width: columns }: DecodedImage, x: number, y: number): number[] {
  const at = (y * columns + x) * 3;
  return [...data.subarray(at, at + 3)];
}

function rgb(colour: string): number[] {
  return [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
}

function rectangle(left: number, top: number, right: number, bottom: number): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (let y = top; y < bottom; y++) mask.fill(1, y * width + left, y * width + right);
  return mask;
}

describe('drawing masks', () => {
  for (const channels of [1, 3, 4] as const) {
    it(`lays the class colour over the pixels, ${channels} channels`, async () => {
      const mask = rectangle(60, 70, 120, 120);
      const image = await draw([{ box, label: 1, score: 0.9, mask }], channels);
      const tint = rgb(classColour(1));
      assert.deepEqual(
        pixel(image, 90, 95),
        tint.map((value) => Math.round(127 + 0.45 * (value - 127))),
      );
      assert.deepEqual(pixel(image, 60, 95), tint, 'the edge is drawn in full');
      assert.deepEqual(pixel(image, 50, 95), [127, 127, 127], 'outside stays as it was');
    });
  }

  it('puts the better detection on top, and leaves the pixels given as they are', async () => {
    const picture = canvas();
    const detections = [
      { box, label: 2, score: 0.4, mask: rectangle(60, 70, 120, 120) },
      { box, label: 1, score: 0.9, mask: rectangle(90, 70, 150, 120) },
    ];
    const image = await decodeImage(await drawDetections(picture, detections, { format: 'png' }));
    assert.deepEqual(pixel(image, 90, 95), rgb(classColour(1)));
    assert.ok(picture.data.every((value) => value === 127));
  });

  it('refuses a mask of another size', async () => {
    await assert.rejects(draw([{ box, label: 1, score: 1, mask: new Uint8Array(7) }]), (error) => {
      assert.ok(error instanceof TorchdetError);
      assert.equal(error.code, 'ERR_INVALID_ARGUMENT');
      assert.match(error.message, /200 x 160 are 32000, got 7/);
      return true;
    });
  });
});

describe('drawing keypoints', () => {
  it('draws a dot for each, and no limbs where they are not COCO’s', async () => {
    const keypoints = [
      { x: 60, y: 80 },
      { x: 140, y: 80 },
    ];
    const image = await draw([{ box, label: 1, score: 0.9, keypoints }]);
    for (const { x, y } of keypoints) assert.deepEqual(pixel(image, x, y), rgb(classColour(1)));
    assert.deepEqual(pixel(image, 100, 80), [127, 127, 127]);
  });

  it('joins COCO’s 17 as a skeleton, without those unseen or unsure', async () => {
    const keypoints = Array.from({ length: 17 }, (_, k) => ({
      x: 40 + (k % 6) * 24,
      y: 60 + Math.floor(k / 6) * 30,
      visible: k !== 8,
      score: k === 10 ? -1 : 3,
    }));
    const image = await draw([{ box, label: 1, score: 0.9, keypoints }]);
    // Shoulders 5 and 6 are joined, and elbow 7 and wrist 9; 8 and 10 are not drawn.
    const between = (a: number, b: number): number[] => {
      const [p, q] = [keypoints[a], keypoints[b]];
      assert.ok(p && q);
      return pixel(image, Math.round((p.x + q.x) / 2), Math.round((p.y + q.y) / 2));
    };
    for (const found of [between(5, 6), between(7, 9)]) {
      // Thin lines are smoothed.
      const tint = rgb(classColour(1));
      const distance = Math.hypot(...found.map((value, c) => value - (tint[c] ?? 0)));
      assert.ok(distance < 30, `${found.join()} is not ${tint.join()}`);
    }
    const unseen = keypoints[8];
    assert.ok(unseen);
    assert.notDeepEqual(pixel(image, unseen.x, unseen.y - 2), [255, 255, 255]);
  });

  it('refuses places that are no numbers', async () => {
    const keypoints = [
      { x: 1, y: 2 },
      { x: NaN, y: 2 },
    ];
    await assert.rejects(
      draw([{ box, label: 1, score: 1, keypoints }]),
      /detections\[0\]: keypoints\[1\].*NaN/,
    );
  });
});
