import assert from 'node:assert/strict';
import sharp from 'sharp';
import { TorchdetError, type ErrorCode } from '../../lib/errors';
import { decodeImage, type DecodedImage } from '../../lib/images/decode';
import { classColour, drawDetections, type DrawnDetection } from '../../lib/images/draw';
import { placeLabel, type Rectangle } from '../../lib/images/label-layout';
import { hasGlyphs, plainLetters, strokeText } from '../../lib/images/stroke-font';

const grey = 127;

function canvas(width: number, height: number): DecodedImage {
  return { data: Buffer.alloc(width * height * 3, grey), width, height, channels: 3 };
}

async function draw(picture: DecodedImage, detections: DrawnDetection[]): Promise<DecodedImage> {
  return decodeImage(await drawDetections(picture, detections, { format: 'png' }));
}

function pixel(image: DecodedImage, x: number, y: number): string {
  const at = (Math.round(y) * image.width + Math.round(x)) * 3;
  return `#${image.data.toString('hex', at, at + 3)}`;
}

/** How many different colours a region has, and how much of it differs from the canvas. */
function region(image: DecodedImage, { x, y, width, height }: Rectangle) {
  const colours = new Map<string, number>();
  for (let row = y; row < y + height; row++) {
    for (let column = x; column < x + width; column++) {
      const colour = pixel(image, column, row);
      colours.set(colour, (colours.get(colour) ?? 0) + 1);
    }
  }
  return colours;
}

function coded(code: ErrorCode, fragment: string) {
  return (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code);
    assert.ok(error.message.includes(fragment), error.message);
    return true;
  };
}

describe('drawDetections', () => {
  it('draws the box in its class colour and writes name and score above it', async () => {
    const box = [100, 80, 300, 200];
    const image = await draw(canvas(400, 300), [{ box, label: 1, name: 'person', score: 0.98 }]);
    const colour = classColour(1);
    for (const [x, y] of [
      [200, 200],
      [100, 150],
      [300, 150],
      [250, 80],
    ] as const) {
      assert.equal(pixel(image, x, y), colour, `at ${x},${y}`);
    }
    assert.equal(pixel(image, 200, 140), '#7f7f7f', 'inside stays as it was');
    const label = region(image, { x: 100, y: 66, width: 60, height: 12 });
    const total = 60 * 12;
    const background = label.get(colour) ?? 0;
    const ink = (label.get('#000000') ?? 0) + (label.get('#ffffff') ?? 0);
    assert.ok(background > total * 0.3, `background covers ${background} of ${total}`);
    assert.ok(ink > 20, `${ink} pixels of ink`);
    assert.ok(label.size > 8, 'letters are smoothed');
  });

  it('writes different names differently', async () => {
    const box = [100, 80, 300, 200];
    const cat = await draw(canvas(400, 300), [{ box, label: 1, name: 'cat', score: 0.5 }]);
    const dog = await draw(canvas(400, 300), [{ box, label: 1, name: 'dog', score: 0.5 }]);
    assert.notDeepEqual(cat.data, dog.data);
  });

  it('leaves the pixels it is given as they are', async () => {
    const picture = canvas(64, 64);
    await draw(picture, [{ box: [1, 1, 50, 50], label: 3, score: 1 }]);
    assert.ok(picture.data.every((value) => value === grey));
  });

  it('keeps boxes at the very edge and beyond visible', async () => {
    const image = await draw(canvas(300, 200), [
      { box: [-40, -10, 900, 230], label: 2, name: 'car', score: 0.7 },
    ]);
    assert.deepEqual([image.width, image.height], [300, 200]);
    for (const [x, y] of [
      [0, 150],
      [299, 150],
      [150, 199],
    ] as const) {
      assert.equal(pixel(image, x, y), classColour(2), `at ${x},${y}`);
    }
  });

  it('escapes names, shortens long ones and survives any character', async () => {
    const names = ['<b>&"\'', ']]>', '\0\x07\ud800', 'x'.repeat(500), 'größe', '人物', '👩‍🚀', ''];
    const detections = names.map((name, i) => ({
      box: [10, 20 * i, 90, 20 * i + 15],
      label: i,
      name,
      score: 0.5,
    }));
    const image = await draw(canvas(200, 200), detections);
    assert.ok(region(image, { x: 0, y: 0, width: 200, height: 200 }).size > 20);
  });

  it('draws on encoded files, grey and RGBA pixels, and on one pixel', async () => {
    const detections = [{ box: [2, 2, 30, 30], label: 1, name: 'a', score: 0.9 }];
    const create = { width: 40, height: 40, channels: 3, background: '#7f7f7f' } as const;
    const jpeg = await sharp({ create }).withMetadata({ orientation: 6 }).jpeg().toBuffer();
    const pictures = [
      jpeg,
      { data: new Uint8Array(1600).fill(grey), width: 40, height: 40, channels: 1 as const },
      { data: new Uint8Array(6400).fill(grey), width: 40, height: 40, channels: 4 as const },
    ];
    for (const picture of pictures) {
      const image = await decodeImage(await drawDetections(picture, detections, { format: 'png' }));
      assert.equal(pixel(image, 30, 25), classColour(1));
    }
    await draw(canvas(1, 1), detections);
  });

  it('draws on pictures larger than a tile', async () => {
    const picture = canvas(9000, 20);
    const image = await draw(picture, [{ box: [8100, 4, 8990, 16], label: 1, score: 0.9 }]);
    assert.equal(pixel(image, 8400, 16), classColour(1));
    assert.equal(pixel(image, 8150, 16), classColour(1));
  });

  for (const format of ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'] as const) {
    it(`writes ${format}`, async () => {
      const file = await drawDetections(canvas(64, 48), [], { format });
      const image = await decodeImage(file);
      assert.deepEqual([image.width, image.height], [64, 48]);
      const { format: found } = await sharp(file).metadata();
      assert.equal(found, format === 'avif' ? 'heif' : format);
    });
  }

  it('rejects what does not fit', async () => {
    const picture = canvas(20, 20);
    const bad = [{ box: [1, 2, NaN, 4], label: 1, score: 1 }];
    await assert.rejects(
      drawDetections(picture, bad),
      coded('ERR_INVALID_ARGUMENT', 'detections[0]'),
    );
    await assert.rejects(
      drawDetections(picture, [], { format: 'bmp' as 'png' }),
      coded('ERR_OPTION_VALUE', '"bmp"'),
    );
    await assert.rejects(
      drawDetections(picture, [], { quality: 0 }),
      coded('ERR_OPTION_VALUE', 'quality'),
    );
    await assert.rejects(
      drawDetections(picture, [], { lineWidth: NaN }),
      coded('ERR_OPTION_VALUE', 'lineWidth'),
    );
    await assert.rejects(
      drawDetections(picture, [], { width: 3 } as object),
      coded('ERR_OPTION_UNKNOWN', 'width'),
    );
    await assert.rejects(
      drawDetections(canvas(20000, 2), [], { format: 'webp' }),
      coded('ERR_INVALID_ARGUMENT', '20000x2'),
    );
  });
});

describe('classColour', () => {
  it('tells the first 20 classes apart', () => {
    const colours = Array.from({ length: 20 }, (_, label) => classColour(label));
    assert.equal(new Set(colours).size, 20);
    const channels = (colour = '') => [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
    for (let i = 1; i < 20; i++) {
      const [a, b] = [channels(colours[i - 1]), channels(colours[i])];
      const distance = Math.hypot(...a.map((value, k) => value - (b[k] ?? 0)));
      assert.ok(distance > 150, `classes ${i - 1} and ${i} are ${distance} apart`);
    }
  });
});

describe('placeLabel', () => {
  const picture = { width: 400, height: 300 };
  const label = { width: 80, height: 20 };
  const apart = (a: Rectangle, b: Rectangle) =>
    a.x + a.width <= b.x || b.x + b.width <= a.x || a.y + a.height <= b.y || b.y + b.height <= a.y;

  it('prefers the place above the box', () => {
    const place = placeLabel({ x: 50, y: 60, width: 200, height: 100 }, label, picture, []);
    assert.deepEqual(place, { x: 50, y: 40, ...label });
  });

  it('goes inside at the upper edge of the picture, and left at its right edge', () => {
    const place = placeLabel({ x: 380, y: 0, width: 20, height: 100 }, label, picture, []);
    assert.deepEqual(place, { x: 320, y: 0, ...label });
  });

  it('keeps twelve labels of one corner apart', () => {
    const placed: Rectangle[] = [];
    for (let i = 0; i < 12; i++) {
      const box = { x: 20 + i, y: 30 + i, width: 300, height: 240 };
      placed.push(placeLabel(box, label, picture, placed));
    }
    for (const [i, a] of placed.entries()) {
      assert.ok(a.x >= 0 && a.y >= 0 && a.x + a.width <= 400 && a.y + a.height <= 300);
      for (const b of placed.slice(i + 1)) assert.ok(apart(a, b), 'labels overlap');
    }
  });
});

describe('stroke font', () => {
  it('has a glyph for every printable character of ASCII', () => {
    const all = Array.from({ length: 95 }, (_, i) => String.fromCharCode(32 + i)).join('');
    assert.ok(hasGlyphs(all));
    assert.ok(!hasGlyphs('人'));
    assert.ok(hasGlyphs(plainLetters('Crème brûlée')));
  });

  it('measures text', () => {
    const one = strokeText('person').width;
    const two = strokeText('personperson').width;
    assert.ok(two > 2 * one && two < 2.2 * one, `${one} and ${two}`);
    assert.equal(strokeText('').width, 0);
  });
});
