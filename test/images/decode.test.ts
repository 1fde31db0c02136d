import assert from 'node:assert/strict';
import sharp from 'sharp';
import { TorchdetError } from '../../lib/errors';
import { decodeImage, type DecodedImage } from '../../lib/images/decode';

const red = [255, 0, 0];
const green = [0, 255, 0];
const blue = [0, 0, 255];
const white = [255, 255, 255];

function pixel(image: DecodedImage, x: number, y: number): number[] {
  const at = (y * image.width + x) * 3;
  return [...image.data.subarray(at, at + 3)];
}

function assertNear(actual: number[], wanted: number[], tolerance: number): void {
  const off = actual.some((value, i) => Math.abs(value - (wanted[i] ?? NaN)) > tolerance);
  assert.ok(!off && actual.length === wanted.length, `${actual.join()} is not ${wanted.join()}`);
}

/** Four quarters: red, green / blue, white. */
function quarters(width: number, height: number): sharp.Sharp {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const left = x < width / 2;
      const colour = y < height / 2 ? (left ? red : green) : left ? blue : white;
      data.set(colour, (y * width + x) * 3);
    }
  }
  return sharp(data, { raw: { width, height, channels: 3 } });
}

function coded(code: string, ...fragments: (string | RegExp)[]) {
  return (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code, error.message);
    for (const fragment of fragments) {
      assert.match(error.message, fragment instanceof RegExp ? fragment : new RegExp(fragment));
    }
    return true;
  };
}

describe('decodeImage', () => {
  const lossless = {
    png: () => quarters(24, 16).png().toBuffer(),
    webp: () => quarters(24, 16).webp({ lossless: true }).toBuffer(),
    gif: () => quarters(24, 16).gif().toBuffer(),
    tiff: () => quarters(24, 16).tiff({ compression: 'lzw' }).toBuffer(),
    'palette png': () => quarters(24, 16).png({ palette: true }).toBuffer(),
  };
  for (const [name, make] of Object.entries(lossless)) {
    it(`gives the very pixels of a ${name}`, async () => {
      const image = await decodeImage(await make());
      assert.deepEqual([image.width, image.height, image.channels], [24, 16, 3]);
      assert.equal(image.data.length, 24 * 16 * 3);
      assert.deepEqual(image.data, await quarters(24, 16).raw().toBuffer());
    });
  }

  for (const format of ['jpeg', 'avif'] as const) {
    it(`decodes ${format}`, async () => {
      const image = await decodeImage(await quarters(64, 32).toFormat(format).toBuffer());
      assert.deepEqual([image.width, image.height], [64, 32]);
      assertNear(pixel(image, 10, 8), red, 12);
      assertNear(pixel(image, 54, 8), green, 12);
      assertNear(pixel(image, 10, 24), blue, 12);
    });
  }

  it('takes a Uint8Array in the middle of its buffer, an ArrayBuffer and shared memory', async () => {
    const file = await quarters(6, 4).png().toBuffer();
    const wide = new Uint8Array(file.length + 7);
    wide.set(file, 7);
    const shared = new Uint8Array(new SharedArrayBuffer(file.length));
    shared.set(file);
    const own = new Uint8Array(file).buffer;
    for (const source of [wide.subarray(7), own, shared]) {
      assert.deepEqual(pixel(await decodeImage(source), 5, 3), white);
    }
  });

  // Where the corners red, green, blue, white of the stored picture belong, per EXIF orientation.
  const upright: Record<number, [number[], number[], number[], number[]]> = {
    1: [red, green, blue, white],
    2: [green, red, white, blue],
    3: [white, blue, green, red],
    4: [blue, white, red, green],
    5: [red, blue, green, white],
    6: [blue, red, white, green],
    7: [white, green, blue, red],
    8: [green, white, red, blue],
  };
  for (const [orientation, [topLeft, topRight, bottomLeft, bottomRight]] of Object.entries(
    upright,
  )) {
    it(`applies EXIF orientation ${orientation}`, async () => {
      const stored = quarters(24, 16).withMetadata({ orientation: Number(orientation) });
      const image = await decodeImage(await stored.png().toBuffer());
      const [width, height] = Number(orientation) < 5 ? [24, 16] : [16, 24];
      assert.deepEqual([image.width, image.height], [width, height]);
      assert.deepEqual(pixel(image, 0, 0), topLeft);
      assert.deepEqual(pixel(image, width - 1, 0), topRight);
      assert.deepEqual(pixel(image, 0, height - 1), bottomLeft);
      assert.deepEqual(pixel(image, width - 1, height - 1), bottomRight);
    });
  }

  it('repeats greyscale into three channels', async () => {
    const grey = sharp(Buffer.from([0, 90, 180, 255]), {
      raw: { width: 2, height: 2, channels: 1 },
    });
    const image = await decodeImage(await grey.toColourspace('b-w').png().toBuffer());
    assert.deepEqual([...image.data], [0, 0, 0, 90, 90, 90, 180, 180, 180, 255, 255, 255]);
  });

  it('reduces 16 bits to 8 over the full range', async () => {
    const pixels = new Uint16Array([0, 255, 256, 32768, 65280, 65535]);
    const picture = sharp(pixels, { raw: { width: 2, height: 1, channels: 3 } });
    const image = await decodeImage(await picture.toColourspace('rgb16').png().toBuffer());
    assert.deepEqual([...image.data], [0, 0, 1, 128, 255, 255]);
  });

  it('converts CMYK to RGB', async () => {
    const image = await decodeImage(
      await quarters(32, 32).toColourspace('cmyk').jpeg({ quality: 100 }).toBuffer(),
    );
    const [r = 0, g = 0, b = 0] = pixel(image, 8, 8);
    assert.ok(r > 180 && g < 90 && b < 90, `red came out as ${r},${g},${b}`);
    assertNear(pixel(image, 24, 24), white, 10);
  });

  it('drops alpha and keeps the colours beneath it', async () => {
    const rgba = Buffer.from([10, 20, 30, 0, 40, 50, 60, 128]);
    const picture = sharp(rgba, { raw: { width: 2, height: 1, channels: 4 } });
    const image = await decodeImage(await picture.png().toBuffer());
    assert.deepEqual([...image.data], [10, 20, 30, 40, 50, 60]);
  });

  for (const format of ['gif', 'webp'] as const) {
    it(`takes the first frame of an animated ${format}`, async () => {
      const frames = await Promise.all(
        ['#ff0000', '#00ff00', '#0000ff'].map((background) =>
          sharp({ create: { width: 12, height: 10, channels: 3, background } })
            .png()
            .toBuffer(),
        ),
      );
      const animation = sharp(frames, { join: { animated: true } });
      const file = await (
        format === 'gif' ? animation.gif() : animation.webp({ lossless: true })
      ).toBuffer();
      assert.equal((await sharp(file).metadata()).pages, 3);
      const image = await decodeImage(file);
      assert.deepEqual([image.width, image.height], [12, 10]);
      assert.deepEqual(pixel(image, 11, 9), red);
    });
  }

  it('refuses a pixel bomb by its header, naming both numbers', async () => {
    const png = await quarters(8, 8).png().toBuffer();
    png.writeUInt32BE(60_000, 16);
    png.writeUInt32BE(50_000, 20);
    await assert.rejects(
      decodeImage(png),
      coded('ERR_IMAGE_TOO_LARGE', '60000x50000', '3000000000 pixels', '100000000'),
    );
    const gif = Buffer.from(
      '47494638396120002000f10300000000ff0000ffff00ffffff2c000000ffffff290500',
      'hex',
    );
    await assert.rejects(decodeImage(gif), coded('ERR_IMAGE_TOO_LARGE', '65535x66601'));
  });

  it('obeys maxPixels to the pixel', async () => {
    const png = await quarters(20, 10).png().toBuffer();
    assert.equal((await decodeImage(png, { maxPixels: 200 })).width, 20);
    assert.equal((await decodeImage(png, { maxPixels: Infinity })).width, 20);
    await assert.rejects(decodeImage(png, { maxPixels: 199 }), coded('ERR_IMAGE_TOO_LARGE', '199'));
  });

  it('rejects options that do not fit', async () => {
    const png = await quarters(2, 2).png().toBuffer();
    await assert.rejects(
      decodeImage(png, { maxPixels: 0 }),
      coded('ERR_OPTION_VALUE', 'maxPixels'),
    );
    await assert.rejects(
      decodeImage(png, { failOn: 'never' as 'none' }),
      coded('ERR_OPTION_VALUE', 'never'),
    );
    const misspelt = { maxPixel: 5 } as object;
    await assert.rejects(decodeImage(png, misspelt), coded('ERR_OPTION_UNKNOWN', '"maxPixels"'));
  });

  const foreign: [string, string, string][] = [
    ['SVG', '<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"/>', 'an SVG drawing'],
    ['BMP', 'BM\x46\0\0\0\0\0\0\0\x36\0\0\0', 'a BMP image'],
    ['HEIC', '\0\0\0\x18ftypheic\0\0\0\0mif1heic', 'a HEIC image'],
    ['PDF', '%PDF-1.7\n', 'a PDF document'],
    ['text', 'hello there', 'text starting with "hello there"'],
    ['HTML', '<!DOCTYPE html><html>', 'an HTML page'],
    ['nothing', '', 'an empty file'],
    ['noise', '\x01\x02\x03\x04\x05\x06', 'unknown data starting with bytes 010203040506'],
  ];
  for (const [name, content, description] of foreign) {
    it(`says what ${name} looks like, and what is supported`, async () => {
      const bytes = Buffer.from(content, 'latin1');
      await assert.rejects(
        decodeImage(bytes),
        coded('ERR_IMAGE_FORMAT', description, 'JPEG, PNG, WebP'),
      );
    });
  }

  it('refuses an SVG also where it is inside gzip or after a byte order mark', async () => {
    await assert.rejects(
      decodeImage(Buffer.from('\uFEFF<svg width="10"/>')),
      coded('ERR_IMAGE_FORMAT', 'SVG'),
    );
    await assert.rejects(
      decodeImage(Buffer.from('1f8b0800', 'hex')),
      coded('ERR_IMAGE_FORMAT', 'gzip'),
    );
  });

  it('refuses a TIFF of floats rather than show it black', async () => {
    const picture = quarters(8, 8).toColourspace('b-w').raw({ depth: 'float' });
    const { data } = await picture.toBuffer({ resolveWithObject: true });
    const floats = new Float32Array(data.buffer, data.byteOffset, 64);
    const tiff = floatTiff(floats, 8, 8);
    await assert.rejects(decodeImage(tiff), coded('ERR_IMAGE_FORMAT', 'type float'));
  });

  it('gives a picture or an error with a code for files cut off or damaged anywhere', async () => {
    const picture = quarters(80, 60);
    const files = await Promise.all(
      (['jpeg', 'png', 'webp', 'gif', 'tiff'] as const).map((name) =>
        picture.clone().toFormat(name).toBuffer(),
      ),
    );
    let refused = 0;
    for (const file of files) {
      for (let i = 1; i < 12; i++) {
        const cut = file.subarray(0, Math.floor((file.length * i) / 12));
        const damaged = Buffer.from(file);
        const at = Math.floor((file.length * i) / 12);
        damaged.fill(0xa5, at, at + 3);
        for (const bytes of [cut, damaged]) {
          try {
            const image = await decodeImage(bytes);
            assert.equal(image.data.length, image.width * image.height * 3);
          } catch (error) {
            assert.ok(error instanceof TorchdetError, String(error));
            assert.match(error.code, /^ERR_IMAGE_(CORRUPT|FORMAT|TOO_LARGE)$/);
            refused += 1;
          }
        }
      }
    }
    assert.ok(refused > 40, `only ${refused} of 110 were refused`);
  });

  it('reads what there is of a cut-off file with failOn none', async () => {
    const file = await quarters(200, 200).png({ compressionLevel: 0 }).toBuffer();
    const cut = file.subarray(0, file.length / 2);
    await assert.rejects(decodeImage(cut), coded('ERR_IMAGE_CORRUPT', 'PNG', 'cut off'));
    assert.deepEqual(pixel(await decodeImage(cut, { failOn: 'none' }), 0, 0), red);
  });
});

/** The least a TIFF of 32-bit floats needs; sharp writes none. */
function floatTiff(pixels: Float32Array, width: number, height: number): Buffer {
  const tags = [
    [256, 3, width],
    [257, 3, height],
    [258, 3, 32],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 8],
    [277, 3, 1],
    [278, 3, height],
    [279, 4, pixels.byteLength],
    [339, 3, 3],
  ];
  const directory = Buffer.alloc(2 + tags.length * 12 + 4);
  directory.writeUInt16LE(tags.length, 0);
  tags.forEach(([tag = 0, type = 0, value = 0], i) => {
    const at = 2 + i * 12;
    directory.writeUInt16LE(tag, at);
    directory.writeUInt16LE(type, at + 2);
    directory.writeUInt32LE(1, at + 4);
    directory.writeUInt32LE(value, at + 8);
  });
  const header = Buffer.from('49492a0000000000', 'hex');
  header.writeUInt32LE(8 + pixels.byteLength, 4);
  return Buffer.concat([
    header,
    Buffer.from(pixels.buffer, pixels.byteOffset, pixels.byteLength),
    directory,
  ]);
}
