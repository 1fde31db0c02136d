// COCO's run-length encoding against pycocotools (test/oracle/rle.py).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { rle } from '../../lib';
import { TorchdetError } from '../../lib/errors';

interface MaskCase {
  readonly name: string;
  readonly height: number;
  readonly width: number;
  /** Null where the mask is large: its runs tell it too. */
  readonly bits: string | null;
  readonly counts: string;
  readonly runs: readonly number[];
  readonly area: number;
  readonly bbox: readonly number[];
}

const CASES = JSON.parse(
  readFileSync(path.join(__dirname, '../fixtures/rle/masks.json'), 'utf8'),
) as readonly MaskCase[];

function bitmapOf({ bits, height, width, runs }: MaskCase): Uint8Array {
  if (bits === null) return rle.decode({ size: [height, width], counts: runs });
  const packed = Buffer.from(bits, 'base64');
  return Uint8Array.from(
    { length: height * width },
    (_, i) => ((packed[i >> 3] ?? 0) >> (7 - (i & 7))) & 1,
  );
}

function refuses(run: () => unknown, ...parts: readonly string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, 'ERR_INVALID_ARGUMENT');
    for (const part of parts) assert.ok(error.message.includes(part), error.message);
    return true;
  });
}

describe('rle', () => {
  for (const expected of CASES) {
    const { name, height, width, counts, runs, area, bbox } = expected;
    const size = [height, width] as const;
    it(`${name}: as pycocotools has it`, () => {
      const bitmap = bitmapOf(expected);
      const packed = rle.encode(bitmap, height, width);
      assert.deepEqual(packed, { size: [height, width], counts });
      assert.ok(Buffer.from(rle.decode(packed)).equals(bitmap));
      assert.ok(Buffer.from(rle.decode({ size, counts: runs })).equals(bitmap));
      assert.deepEqual(rle.uncompress(packed), { size, counts: runs });
      assert.deepEqual(rle.compress({ size, counts: runs }), { size, counts });
      for (const form of [packed, { size, counts: runs }]) {
        assert.equal(rle.area(form), area);
        assert.deepEqual(rle.toBbox(form), bbox);
      }
    });
  }

  it('takes any byte but 0 for the object, and masks without pixels', () => {
    assert.deepEqual(
      rle.encode(Uint8Array.of(0, 255, 7, 0), 2, 2),
      rle.encode(Uint8Array.of(0, 1, 1, 0), 2, 2),
    );
    const none = rle.encode(new Uint8Array(0), 0, 5);
    assert.deepEqual(rle.uncompress(none).counts, [0]);
    assert.equal(rle.decode(none).length, 0);
  });

  it('encodes a large mask in little time', () => {
    const [height, width] = [2000, 2000];
    const bitmap = new Uint8Array(height * width);
    for (let y = 300; y < 1700; y++) bitmap.fill(1, y * width + 300, y * width + 1700);
    const start = performance.now();
    const packed = rle.encode(bitmap, height, width);
    const took = performance.now() - start;
    assert.equal(rle.area(packed), 1400 * 1400);
    assert.ok(took < 2000, `${took} ms`);
  });

  it('says what does not fit', () => {
    refuses(() => rle.encode(new Uint8Array(5), 2, 3), '2 x 3', '6 bytes', 'got 5');
    refuses(() => rle.encode(new Uint8Array(0), -1, 3), '[-1, 3]');
    refuses(() => rle.decode({ size: [2, 3], counts: [2, 2] }), 'cover 4', '2 x 3 are 6');
    refuses(() => rle.decode({ size: [2, 3], counts: [7, -1] }), '2th is -1');
    refuses(() => rle.area({ size: [2, 3], counts: '5~' }), 'character 1 of 2');
    refuses(() => rle.area({ size: [2, 3], counts: 'S' }), 'character 1 of 1');
    refuses(() => rle.toBbox({ size: [2, 3], counts: 'O' }), 'negative');
  });
});
