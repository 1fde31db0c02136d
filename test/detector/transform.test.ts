import assert from 'node:assert/strict';
import type { Detector } from '../../lib';
import { setThreads } from '../../lib';
import { tinyDetector } from './helpers';

type Channels = 1 | 3 | 4;

const MEAN = [0.485, 0.456, 0.406];
const STD = [0.229, 0.224, 0.225];

function drawn(width: number, height: number, channels: Channels, seed: number) {
  let state = seed >>> 0;
  const data = Uint8Array.from({ length: width * height * channels }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state >>> 24;
  });
  return { data, width, height, channels };
}

/** Where a pixel of the resized image lies in the original: two neighbours, and how far from the first. */
function place(at: number, original: number, resized: number): [number, number, number] {
  const position = Math.max(((at + 0.5) * original) / resized - 0.5, 0);
  const low = Math.floor(position);
  return [low, Math.min(low + 1, original - 1), position - low];
}

/** The one pass from pixels to the batch, against a plain loop over the batch's pixels. */
describe('from pixels to the batch', () => {
  let detector: Detector;
  before(async () => {
    detector = await tinyDetector();
  });
  after(async () => {
    setThreads(2);
    await detector.dispose();
  });

  const shapes: [number, number, Channels][] = [
    [1, 1, 3],
    [2, 3, 4],
    [37, 251, 3],
    [96, 96, 3],
    [161, 97, 1],
    [640, 480, 3],
    [1025, 1999, 4],
    [2000, 2000, 3],
  ];

  function check(
    batch: Float32Array,
    index: number,
    [padHeight, padWidth]: readonly number[],
    [height = 0, width = 0]: readonly number[],
    image: ReturnType<typeof drawn>,
  ): void {
    const plane = (padHeight ?? 0) * (padWidth ?? 0);
    for (let c = 0; c < 3; ++c) {
      const channel = image.channels === 1 ? 0 : c;
      const value = (y: number, x: number) => {
        const byte = image.data[(y * image.width + x) * image.channels + channel] ?? NaN;
        return (byte / 255 - (MEAN[c] ?? 0)) / (STD[c] ?? 1);
      };
      for (let y = 0; y < (padHeight ?? 0); ++y) {
        const [top, bottom, down] = place(y, image.height, height);
        for (let x = 0; x < (padWidth ?? 0); ++x) {
          let wanted = 0;
          if (y < height && x < width) {
            const [left, right, across] = place(x, image.width, width);
            wanted =
              (1 - down) * ((1 - across) * value(top, left) + across * value(top, right)) +
              down * ((1 - across) * value(bottom, left) + across * value(bottom, right));
          }
          const got = batch[(index * 3 + c) * plane + y * (padWidth ?? 0) + x] ?? NaN;
          // float32 knows a place in 2000 pixels to about 1e-4 of a pixel; two pixels may differ by 4.5.
          if (Math.abs(got - wanted) > 1e-3)
            assert.fail(`image ${index}, channel ${c}, y ${y}, x ${x}: ${got}, not ${wanted}`);
        }
      }
    }
  }

  for (const threads of [1, 2, 3]) {
    it(`one image of ${shapes.length} shapes each, ${threads} threads`, async () => {
      setThreads(threads);
      for (const [i, shape] of shapes.entries()) {
        const image = drawn(...shape, i + 1);
        const { batch, imageSizes } = await detector.stages.transform([image]);
        const data = batch.data as Float32Array;
        check(data, 0, batch.shape.slice(2), imageSizes[0] ?? assert.fail(), image);
      }
    });
  }

  it('all of them in one batch, padded to the largest', async () => {
    const images = shapes.map((shape, i) => drawn(...shape, i + 1));
    const { batch, imageSizes } = await detector.stages.transform(images);
    assert.deepEqual(batch.shape, [shapes.length, 3, 160, 160]);
    const data = batch.data as Float32Array;
    images.forEach((image, i) => {
      check(data, i, [160, 160], imageSizes[i] ?? assert.fail(), image);
    });
  });
});
