import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import {
  detect,
  type DetectContext,
  type DetectOptions,
  type ImageDetector,
} from '../../lib/cli/run-detect';
import { UsageError } from '../../lib/cli/usage-error';
import { TorchdetError } from '../../lib/errors';
import { decodeImage } from '../../lib/images/decode';
import { classColour } from '../../lib/images/draw';

/** Finds a cat in the middle of every image; `disposed` counts. */
class FakeDetector implements ImageDetector {
  readonly categories = ['__background__', 'cat'];
  disposed = 0;
  thresholds: number[] = [];
  atWork = 0;

  constructor(private readonly onPredict: () => void = () => undefined) {}

  async predict(
    images: readonly { width: number; height: number }[],
    { scoreThreshold }: { scoreThreshold: number },
  ) {
    this.thresholds.push(scoreThreshold);
    this.atWork += 1;
    assert.equal(this.atWork, 1, 'one predict at a time');
    await Promise.resolve();
    this.onPredict();
    this.atWork -= 1;
    return images.map(({ width, height }) => [
      {
        box: Float32Array.of(width / 4, height / 4, width * 0.75, height * 0.75),
        label: 1,
        name: 'cat',
        score: Math.fround(0.9),
      },
    ]);
  }

  dispose(): void {
    this.disposed += 1;
  }
}

interface Outcome {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(
  inputs: string[],
  options: Partial<DetectOptions> = {},
  detector: ImageDetector = new FakeDetector(),
  signal?: AbortSignal,
): Promise<Outcome> {
  let stdout = '';
  let stderr = '';
  const context: DetectContext = {
    stdout: { write: (text: string) => (stdout += text) },
    stderr: { write: (text: string) => (stderr += text) } as unknown as DetectContext['stderr'],
    open: () => Promise.resolve(detector),
    ...(signal ? { signal } : {}),
  };
  const all: DetectOptions = { score: 0.5, device: 'cpu', maxPixels: 1e6, ...options };
  const code = await detect(inputs, all, context);
  return { code, stdout, stderr };
}

describe('torchdet detect, with a detector that finds cats', () => {
  let root: string;
  let good: string;
  let other: string;
  let bad: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'torchdet-detect-'));
    [good, other, bad] = ['good.png', 'other.jpg', 'bad.jpg'].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    const create = { width: 200, height: 120, channels: 3, background: '#888' } as const;
    await sharp({ create }).png().toFile(good);
    await sharp({ create }).withMetadata({ orientation: 6 }).jpeg().toFile(other);
    await writeFile(bad, 'hello');
  });

  after(() => rm(root, { recursive: true }));

  it('prints the documented JSON, and nothing else on stdout', async () => {
    const { code, stdout, stderr } = await run([good, other], { json: true });
    assert.equal(code, 0);
    assert.equal(stderr, '');
    assert.deepEqual(JSON.parse(stdout), [
      {
        image: good,
        width: 200,
        height: 120,
        detections: [{ box: [50, 30, 150, 90], label: 1, name: 'cat', score: 0.9 }],
      },
      {
        image: other,
        width: 120,
        height: 200,
        detections: [{ box: [30, 50, 90, 150], label: 1, name: 'cat', score: 0.9 }],
      },
    ]);
  });

  it('reports a failed image, processes the others and returns 1', async () => {
    const { code, stdout, stderr } = await run([bad, good, join(root, 'gone.jpg'), other], {
      json: true,
    });
    assert.equal(code, 1);
    const images = JSON.parse(stdout) as { image: string }[];
    assert.deepEqual(
      images.map(({ image }) => image),
      [good, other],
    );
    assert.match(stderr, /bad\.jpg: .*text starting with "hello".*\(ERR_IMAGE_FORMAT\)/);
    assert.match(stderr, /gone\.jpg: no such file/);
    assert.equal(stderr.trim().split('\n').length, 2);
  });

  it('prints an empty array where nothing could be read', async () => {
    assert.deepEqual(await run([bad], { json: true }).then(({ code, stdout }) => [code, stdout]), [
      1,
      '[]\n',
    ]);
    assert.deepEqual(
      await run([root + '/no'], { json: true }).then(({ code, stdout }) => [code, stdout]),
      [1, '[]\n'],
    );
  });

  it('prints a table', async () => {
    const { stdout } = await run([good]);
    const [head, line] = stdout.split('\n');
    assert.match(head ?? '', /^image +name +score +x1 +y1 +x2 +y2$/);
    assert.match(line ?? '', /good\.png +cat +0\.900 +50 +30 +150 +90$/);
  });

  it('says where nothing was found', async () => {
    const blind = { predict: () => Promise.resolve([[]]), dispose: () => undefined };
    const { code, stdout } = await run([good], {}, blind);
    assert.equal(code, 0);
    assert.match(stdout, /good\.png +\(nothing found\)/);
  });

  it('draws pictures and leaves the inputs alone', async () => {
    const before = await readFile(good);
    const out = join(root, 'out');
    const { code, stderr } = await run([good, other], { out });
    assert.equal(code, 0);
    assert.match(stderr, /2 pictures drawn in/);
    assert.deepEqual((await readdir(out)).sort(), ['good.png', 'other.jpg']);
    assert.deepEqual(await readFile(good), before);
    const drawn = await decodeImage(await readFile(join(out, 'good.png')));
    const at = (60 * drawn.width + 50) * 3;
    assert.equal(`#${drawn.data.toString('hex', at, at + 3)}`, classColour(1));
    const turned = await decodeImage(await readFile(join(out, 'other.jpg')));
    assert.deepEqual([turned.width, turned.height], [120, 200]);
  });

  it('passes the threshold on, gives labels other names, disposes', async () => {
    const detector = new FakeDetector();
    const { stdout } = await run([good], { json: true, classes: 'kitten', score: 0.25 }, detector);
    assert.match(stdout, /"name":"kitten"/);
    assert.deepEqual(detector.thresholds, [0.25]);
    assert.equal(detector.disposed, 1);
  });

  it('refuses a list of classes that does not fit the detector', async () => {
    const detector = new FakeDetector();
    await assert.rejects(
      run([good], { classes: 'a,b' }, detector),
      (error) => error instanceof UsageError && /2 names.*1 classes/.test(error.message),
    );
    assert.equal(detector.disposed, 1);
  });

  it('refuses images above the limit', async () => {
    const { code, stderr } = await run([good], { maxPixels: 100 });
    assert.equal(code, 1);
    assert.match(stderr, /24000 pixels; the limit is 100/);
  });

  it('says so where --out cannot be a folder', async () => {
    await assert.rejects(
      run([good], { out: join(bad, 'out') }),
      (error) => error instanceof TorchdetError && error.code === 'ERR_FILE',
    );
  });

  it('goes on after a failed prediction', async () => {
    let calls = 0;
    const detector = new FakeDetector(() => {
      calls += 1;
      if (calls === 1) throw new Error('no luck');
    });
    detector.atWork = 0;
    const failing: ImageDetector = {
      predict: (images, options) => {
        detector.atWork = 0;
        return detector.predict(images, options);
      },
      dispose: () => undefined,
    };
    const { code, stdout, stderr } = await run([good, other], { json: true }, failing);
    assert.equal(code, 1);
    assert.match(stderr, /good\.png: no luck/);
    assert.equal((JSON.parse(stdout) as unknown[]).length, 1);
  });

  it('ends with the signal, prints nothing and disposes', async () => {
    const controller = new AbortController();
    const detector = new FakeDetector(() => {
      controller.abort(new Error('enough'));
    });
    await assert.rejects(run([good, other], {}, detector, controller.signal), /enough/);
    assert.equal(detector.thresholds.length, 1);
    assert.equal(detector.disposed, 1);
  });
});
