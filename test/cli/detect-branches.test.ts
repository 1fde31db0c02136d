// What `torchdet detect` prints and draws of masks and keypoints.
import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { rle } from '../../lib';
import { detect, type DetectOptions, type ImageDetector } from '../../lib/cli/run-detect';
import { decodeImage } from '../../lib/images/decode';
import { classColour, type DrawnDetection } from '../../lib/images/draw';

const [width, height] = [120, 90];
const box = [20, 30, 80, 70];

/** The object's pixels: its box without the frame. */
function bitmap(): Uint8Array {
  const mask = new Uint8Array(width * height);
  for (let y = 35; y < 65; y++) mask.fill(1, y * width + 25, y * width + 75);
  return mask;
}

interface Reported {
  readonly detections: readonly {
    readonly segmentation?: rle.Rle;
    readonly keypoints?: readonly number[];
  }[];
}

describe('torchdet detect with masks and keypoints', () => {
  let root: string;
  let photo: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'torchdet-branches-'));
    photo = join(root, 'photo.png');
    const create = { width, height, channels: 3, background: '#7f7f7f' } as const;
    await sharp({ create }).png().toFile(photo);
  });
  after(() => rm(root, { recursive: true }));

  async function run(found: DrawnDetection, options: Partial<DetectOptions>): Promise<string> {
    let stdout = '';
    const detector: ImageDetector = {
      categories: ['__background__', 'cat'],
      predict: () => Promise.resolve([[found]]),
      dispose: () => undefined,
    };
    const code = await detect(
      [photo],
      { score: 0.5, device: 'cpu', maxPixels: 1e6, ...options },
      {
        stdout: { write: (text: string) => (stdout += text) },
        stderr: { write: () => true } as never,
        open: () => Promise.resolve(detector),
      },
    );
    assert.equal(code, 0);
    return stdout;
  }

  it("prints masks in COCO's encoding", async () => {
    const [image] = JSON.parse(
      await run({ box, label: 1, score: 0.9, mask: bitmap() }, { json: true }),
    ) as [Reported];
    const segmentation = image.detections[0]?.segmentation;
    assert.ok(segmentation);
    assert.deepEqual(segmentation.size, [height, width]);
    assert.deepEqual(rle.decode(segmentation), bitmap());
    assert.equal(image.detections[0]?.keypoints, undefined);
  });

  it('prints keypoints as COCO does: x, y and visibility in turn', async () => {
    const keypoints = [
      { x: Math.fround(30.1), y: 40, visible: true, score: 2 },
      { x: 50, y: 60, visible: false, score: 1 },
    ];
    const [image] = JSON.parse(
      await run({ box, label: 1, score: 0.9, keypoints }, { json: true }),
    ) as [Reported];
    assert.deepEqual(image.detections[0]?.keypoints, [30.1, 40, 1, 50, 60, 0]);
    assert.equal(image.detections[0].segmentation, undefined);
  });

  it('draws both', async () => {
    const out = join(root, 'drawn');
    const keypoints = [{ x: 50, y: 50 }];
    await run({ box, label: 1, score: 0.9, mask: bitmap(), keypoints }, { out });
    const { data } = await decodeImage(await readFile(join(out, 'photo.png')));
    const at = (x: number, y: number): number[] => [
      ...data.subarray((y * width + x) * 3).subarray(0, 3),
    ];
    const tint = [1, 3, 5].map((i) => parseInt(classColour(1).slice(i, i + 2), 16));
    assert.deepEqual(at(50, 50), tint);
    assert.deepEqual(
      at(68, 42),
      tint.map((value) => Math.round(127 + 0.45 * (value - 127))),
    );
    assert.deepEqual(at(100, 20), [127, 127, 127]);
  });

  it('does not make masks for a table', async () => {
    const found = { box, label: 1, score: 0.9 };
    Object.defineProperty(found, 'mask', { get: () => assert.fail('asked for a mask') });
    assert.match(await run(found, {}), /class 1 +0\.900/);
  });
});
