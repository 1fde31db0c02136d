import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { TorchdetError } from '../../lib/errors';
import { decodeImage } from '../../lib/images/decode';

const data = process.env.TORCHDET_TEST_DATA ?? resolve(__dirname, '../../../shared/data');
const folder = join(data, 'awkward');
const manifest = join(folder, 'manifest.tsv');

/** Files that must be refused, and how; every other file of the folder must give a picture. */
const refused: Record<string, string> = {
  'ljt_monkey12.jpg': 'ERR_IMAGE_FORMAT',
  'pil_bmp_b_badwidth.bmp': 'ERR_IMAGE_FORMAT',
  'pil_broken.png': 'ERR_IMAGE_CORRUPT',
  'pil_decompression_bomb.gif': 'ERR_IMAGE_TOO_LARGE',
  'sharp_check.svg': 'ERR_IMAGE_FORMAT',
  'sharp_truncated.png': 'ERR_IMAGE_CORRUPT',
  'tv_corrupt34_3.jpg': 'ERR_IMAGE_CORRUPT',
};

interface Line {
  readonly file: string;
  readonly size: readonly [number, number] | undefined;
}

/** The manifest gives sizes as stored (info) and, where torchvision reads the file, its shape: also as stored. */
function readManifest(): Line[] {
  const lines = readFileSync(manifest, 'utf8').trimEnd().split('\n').slice(1);
  return lines.map((line) => {
    const [file = '', , info = ''] = line.split('\t');
    const match = / (\d+)x(\d+) frames=\d+(?: orient=(\d+))?/.exec(info);
    if (!match) return { file, size: undefined };
    const [width, height, orientation] = match.slice(1).map(Number);
    const turned = orientation !== undefined && orientation >= 5 && orientation <= 8;
    const stored: [number, number] = [width ?? 0, height ?? 0];
    return { file, size: turned ? [stored[1], stored[0]] : stored };
  });
}

describe('awkward files', () => {
  if (!existsSync(manifest)) {
    it('give a picture or an error with a code', function () {
      console.log(`      skipped: no ${manifest} (set TORCHDET_TEST_DATA)`);
      this.skip();
    });
    return;
  }
  const lines = readManifest();
  it('are 32', () => {
    assert.equal(lines.length, 32);
  });
  for (const { file, size } of lines) {
    const code = refused[file];
    it(`${file} ${code ? `is refused with ${code}` : `is a picture of ${size?.join('x') ?? '?'}`}`, async function () {
      this.timeout(5000);
      const decoding = decodeImage(readFileSync(join(folder, file)));
      if (code) {
        await assert.rejects(
          decoding,
          (error) => error instanceof TorchdetError && error.code === code,
        );
        return;
      }
      const image = await decoding;
      assert.deepEqual([image.width, image.height], size);
      assert.equal(image.data.length, image.width * image.height * 3);
    });
  }
});
