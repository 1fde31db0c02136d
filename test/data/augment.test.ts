/** Augmentations against torchvision, with the draws that it made (test/oracle/augment.py). */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';
import {
  applyTransforms,
  augmentation,
  augmentationNames,
  type AugmentationName,
} from '../../lib/data/augment';
import { Draft } from '../../lib/data/augment-draft';
import type { RandomSource } from '../../lib/data/augment-random';
import {
  fixedSizeCrop,
  horizontalFlip,
  iouCrop,
  photometricDistort,
  randomShortestSize,
  scaleJitter,
  type Transform,
  zoomOut,
} from '../../lib/data/augment-transforms';
import { engine } from '../../lib/engine';
import { TorchdetError } from '../../lib/errors';

type Draw = ['next', number] | ['integer', number, number];

interface Described {
  width: number;
  height: number;
  image: string;
  boxes: number[];
  kept: number[];
  masks: string;
}

interface Fixture {
  cases: {
    preset: string;
    seed: number;
    draws: Draw[];
    given: Described;
    result: Described;
  }[];
  colours: { width: number; height: number; image: string; results: Record<string, string> };
}

const path = join(__dirname, '..', 'fixtures', 'augment', 'presets.json');
const fixture = JSON.parse(readFileSync(path, 'utf8')) as Fixture;
const unpack = (text: string): Buffer => inflateSync(Buffer.from(text, 'base64'));

/** torchvision's presets with the sizes of the fixture. */
const transforms: Record<string, readonly Transform[]> = {
  hflip: augmentation('hflip'),
  lsj: [scaleJitter({ size: [64, 64] }), fixedSizeCrop({ size: [64, 64] }), horizontalFlip()],
  multiscale: [randomShortestSize({ minSizes: [24, 32, 40], maxSize: 60 }), horizontalFlip()],
  ssd: augmentation('ssd'),
  ssdlite: augmentation('ssdlite'),
};

/** Gives the recorded draws, which must be asked for as they were made. */
function replay(draws: readonly Draw[]): RandomSource & { left(): number } {
  let at = 0;
  const draw = (kind: Draw[0], count?: number): number => {
    const [wanted, value, bound] = draws[at++] ?? ['nothing', NaN];
    assert.deepEqual([kind, count], [wanted, bound], `draw ${at}`);
    return value;
  };
  return {
    next: () => draw('next'),
    integer: (count) => draw('integer', count),
    left: () => draws.length - at,
  };
}

/** How far apart two pictures are: the greatest difference, and how many numbers differ. */
function difference(got: Uint8Array, wanted: Uint8Array): { greatest: number; share: number } {
  assert.equal(got.length, wanted.length);
  let [greatest, count] = [0, 0];
  got.forEach((value, i) => {
    const apart = Math.abs(value - (wanted[i] ?? 0));
    greatest = Math.max(greatest, apart);
    if (apart > 0) count++;
  });
  return { greatest, share: count / got.length };
}

const rejects =
  (code: string, pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof TorchdetError && error.code === code && pattern.test(error.message);

describe('augmentation', () => {
  for (const preset of Object.keys(transforms)) {
    it(`${preset} makes of the same draws what torchvision makes of them`, async () => {
      const cases = fixture.cases.filter((one) => one.preset === preset);
      assert.equal(cases.length, 6);
      for (const { seed, draws, given, result } of cases) {
        const random = replay(draws);
        const { width, height, boxes } = given;
        const draft = new Draft({ width, height, boxes });
        applyTransforms(transforms[preset] ?? [], draft, random);
        assert.equal(random.left(), 0, `seed ${seed}: draws left`);
        assert.deepEqual([draft.width, draft.height], [result.width, result.height]);
        assert.deepEqual(draft.kept, result.kept, `seed ${seed}: objects`);
        // torchvision mirrors by negating, which gives -0 at the edge.
        const boxesThere = result.boxes.map((value) => value + 0);
        assert.deepEqual([...draft.boxes], boxesThere, `seed ${seed}: boxes`);

        const area = draft.width * draft.height;
        const out = { image: Buffer.alloc(area * 3), masks: Buffer.alloc(draft.length * area) };
        const image = { data: unpack(given.image), width, height };
        await engine().augment(image, unpack(given.masks), draft.kept, draft.steps, out, 0);
        const { greatest, share } = difference(out.image, unpack(result.image));
        assert.ok(greatest <= 1 && share < 0.01, `seed ${seed}: ${greatest}, ${share}`);
        assert.equal(difference(out.masks, unpack(result.masks)).greatest, 0, `seed ${seed}`);
      }
    });
  }

  it('changes colours as torchvision does', async () => {
    const { width, height, image, results } = fixture.colours;
    const none = { brightness: null, contrast: null, saturation: null, hue: null };
    const plain = { type: 'colour', ...none, contrastFirst: true, channels: [0, 1, 2] } as const;
    const changes = {
      brightness: { brightness: 1.1 },
      contrast: { contrast: 1.4 },
      saturation: { saturation: 0.6 },
      hue: { hue: -0.04 },
      channels: { channels: [2, 0, 1] as const },
    };
    for (const [name, change] of Object.entries(changes)) {
      const out = { image: Buffer.alloc(width * height * 3) };
      const data = unpack(image);
      const steps = [{ ...plain, ...change }];
      await engine().augment({ data, width, height }, null, [], steps, out, 0);
      const wanted = unpack(results[name] ?? '');
      assert.ok(difference(data, wanted).greatest > 1, `${name} does nothing`);
      const { greatest, share } = difference(out.image, wanted);
      assert.ok(greatest <= 1 && share < 0.001, `${name}: ${greatest}, ${share}`);
    }
  });

  it('has every preset by name, and says which there are', () => {
    for (const name of augmentationNames) assert.ok(Array.isArray(augmentation(name)));
    assert.throws(
      () => augmentation('hflop' as AugmentationName),
      rejects('ERR_OPTION_VALUE', /no preset "hflop".*hflip, lsj.*Did you mean "hflip"/),
    );
  });

  it('refuses options that do not fit', () => {
    const wrong: [() => unknown, RegExp][] = [
      [() => horizontalFlip({ probability: 2 }), /"probability" must be from 0 to 1, got 2/],
      [() => scaleJitter({ scale: [2, 1] }), /"scale" must be \[least, greatest\]/],
      [() => scaleJitter({ size: [0, 10] }), /"size" must be a positive whole number/],
      [() => fixedSizeCrop({ fill: [0, 0, 256] }), /"fill" must be three whole numbers/],
      [() => randomShortestSize({ minSizes: [] }), /"minSizes" must be one length or more/],
      [() => photometricDistort({ hue: [-1, 1] }), /"hue" must be .*within -0.5..0.5/],
      [() => zoomOut({ scale: [0.5, 2] }), /"scale" must be .*from 1/],
      [() => iouCrop({ overlaps: [0.5] }), /"overlaps" must be IoUs with a 1 among them/],
      [() => iouCrop({ trials: 0 }), /"trials" must be a positive whole number/],
    ];
    for (const [make, message] of wrong) assert.throws(make, rejects('ERR_OPTION_VALUE', message));
    assert.throws(
      () => zoomOut({ scal: [1, 2] } as object),
      rejects('ERR_OPTION_UNKNOWN', /unknown option "scal".*"scale"/),
    );
  });

  it('native steps are checked', async () => {
    const image = { data: Buffer.alloc(12), width: 2, height: 2 };
    const window = { type: 'window', left: 0, top: 0, width: 1, height: 1 } as const;
    const steps = [{ ...window, fill: [0, 0, 0], flip: false }] as const;
    const call = (run: () => Promise<void>): Promise<void> => Promise.resolve().then(run);
    await assert.rejects(
      call(() => engine().augment(image, null, [], steps, { image: Buffer.alloc(4) }, 0)),
      rejects('ERR_INVALID_ARGUMENT', /image's result must have 3 bytes, got 4/),
    );
    const empty = [{ type: 'resize', width: 0, height: 3 }] as const;
    await assert.rejects(
      call(() => engine().augment(image, null, [], empty, { image: Buffer.alloc(0) }, 0)),
      rejects('ERR_INVALID_ARGUMENT', /step 0 leaves no pixels/),
    );
    const out = { image: Buffer.alloc(3), masks: Buffer.alloc(1) };
    await assert.rejects(
      call(() => engine().augment(image, Buffer.alloc(8), [2], steps, out, 0)),
      rejects('ERR_INVALID_ARGUMENT', /there is no mask 2/),
    );
  });
});
