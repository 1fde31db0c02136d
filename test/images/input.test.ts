import assert from 'node:assert/strict';
import sharp from 'sharp';
import type { Binding, NativeImage } from '../../binding';
import { TorchdetError } from '../../lib/errors';
import { prepareImage, type ImageInput } from '../../lib/images/input';

const wrapped: { data: NodeJS.ArrayBufferView; dtype: string; shape: readonly number[] }[] = [];

/** Preparing needs nothing of the native part but Tensor.fromMemory. */
const binding = {
  Tensor: {
    fromMemory(data: NodeJS.ArrayBufferView, dtype: string, shape: readonly number[]) {
      wrapped.push({ data, dtype, shape });
      return { wrapped: wrapped.length - 1 };
    },
  },
} as unknown as Binding;

function prepare(input: unknown, name = 'images[2]'): Promise<NativeImage> {
  return prepareImage(input as ImageInput, { name }, binding);
}

function invalid(...fragments: string[]) {
  return (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, 'ERR_INVALID_ARGUMENT', error.message);
    for (const fragment of ['images[2]', ...fragments]) {
      assert.ok(error.message.includes(fragment), `"${error.message}" lacks "${fragment}"`);
    }
    return true;
  };
}

describe('prepareImage', () => {
  it('decodes files', async () => {
    const create = { width: 7, height: 5, channels: 3, background: '#102030' } as const;
    const file = await sharp({ create }).png().toBuffer();
    const image = await prepare(file);
    assert.ok('width' in image);
    assert.deepEqual([image.width, image.height, image.channels], [7, 5, 3]);
    const bytes = new Uint8Array(image.data.buffer, image.data.byteOffset, 3);
    assert.deepEqual([...bytes], [16, 32, 48]);
  });

  it('names the image that cannot be decoded', async () => {
    await assert.rejects(
      prepare(Buffer.from('hello')),
      (error) =>
        error instanceof TorchdetError &&
        error.code === 'ERR_IMAGE_FORMAT' &&
        error.message.startsWith('images[2]: '),
    );
  });

  for (const channels of [1, 3, 4] as const) {
    it(`passes raw pixels of ${channels} channels without a copy`, async () => {
      const data = new Uint8Array(5 * 4 * channels);
      const image = await prepare({ data, width: 5, height: 4, channels });
      assert.ok('width' in image);
      assert.equal(image.data, data);
      assert.deepEqual([image.width, image.height, image.channels], [5, 4, channels]);
    });
  }

  it('takes what sharp and a canvas give', async () => {
    const create = { width: 3, height: 2, channels: 4, background: '#102030' } as const;
    const { data, info } = await sharp({ create }).raw().toBuffer({ resolveWithObject: true });
    assert.ok('width' in (await prepare({ data, ...info })));
    const canvas = { data: new Uint8ClampedArray(24), width: 3, height: 2, colorSpace: 'srgb' };
    assert.ok('width' in (await prepare({ ...canvas, channels: 4 })));
    await assert.rejects(prepare(canvas), invalid('channels must be 1, 3 or 4', 'speaks for 4'));
  });

  it('copies memory shared between threads', async () => {
    const shared = new Uint8Array(new SharedArrayBuffer(12)).fill(9);
    const image = await prepare({ data: shared, width: 2, height: 2, channels: 3 });
    assert.ok('width' in image);
    assert.notEqual(image.data, shared);
    assert.ok(image.data.buffer instanceof ArrayBuffer);
    assert.deepEqual([...new Uint8Array(image.data.buffer)], new Array(12).fill(9));
  });

  it('wraps float planes without a copy', async () => {
    const data = new Float32Array(3 * 4 * 5);
    const image = await prepare({ data, width: 5, height: 4, channels: 3, layout: 'chw' });
    const call = wrapped[(image as unknown as { wrapped: number }).wrapped];
    assert.deepEqual([call?.dtype, call?.shape], ['float32', [3, 4, 5]]);
    assert.equal(call?.data, data);
  });

  it('passes float32 CHW tensors through', async () => {
    const native = {};
    assert.equal(await prepare({ native, shape: [3, 4, 5], dtype: 'float32' }), native);
  });

  const wrong: [string, unknown, string[]][] = [
    ['a path', 'photo.jpg', ['"photo.jpg"', 'readFile']],
    ['a URL', new URL('file:///photo.jpg'), ['file:///photo.jpg']],
    ['nothing', undefined, ['undefined']],
    ['null', null, ['null']],
    ['an array', [1, 2, 3], ['Array']],
    ['bare pixels', new Uint8ClampedArray(12), ['Uint8ClampedArray', 'width and height']],
    [
      'a short buffer',
      { data: new Uint8Array(59), width: 5, height: 4, channels: 3 },
      ['5 x 4 x 3 = 60', 'got 59'],
    ],
    [
      'an empty buffer',
      { data: new Uint8Array(0), width: 5, height: 4, channels: 3 },
      ['got 0', 'transferred'],
    ],
    ['width 0', { data: new Uint8Array(0), width: 0, height: 4, channels: 3 }, ['width', 'got 0']],
    [
      'height 2.5',
      { data: new Uint8Array(15), width: 2, height: 2.5, channels: 3 },
      ['height', '2.5'],
    ],
    [
      'a width of text',
      { data: new Uint8Array(15), width: '5', height: 1, channels: 3 },
      ['width'],
    ],
    [
      '2 channels',
      { data: new Uint8Array(40), width: 5, height: 4, channels: 2 },
      ['channels', 'got 2'],
    ],
    [
      '16-bit pixels',
      { data: new Uint16Array(60), width: 5, height: 4, channels: 3 },
      ['Uint16Array'],
    ],
    [
      'interleaved floats',
      { data: new Float32Array(60), width: 5, height: 4, channels: 3 },
      ['layout: "chw"'],
    ],
    [
      'bytes as planes',
      { data: new Uint8Array(60), width: 5, height: 4, channels: 3, layout: 'chw' },
      ['Float32Array'],
    ],
    [
      'another layout',
      { data: new Uint8Array(60), width: 5, height: 4, channels: 3, layout: 'CHW' },
      ['"CHW"'],
    ],
    [
      'short planes',
      { data: new Float32Array(59), width: 5, height: 4, channels: 3, layout: 'chw' },
      ['3 x 4 x 5 = 60'],
    ],
    [
      'grey planes',
      { data: new Float32Array(20), width: 5, height: 4, channels: 1, layout: 'chw' },
      ['must be 3, got 1'],
    ],
    ['a batch', { native: {}, shape: [1, 3, 4, 5], dtype: 'float32' }, ['[1, 3, 4, 5]']],
    [
      'an integer tensor',
      { native: {}, shape: [3, 4, 5], dtype: 'uint8' },
      ['uint8', 'channels }'],
    ],
    ['an empty tensor', { native: {}, shape: [3, 0, 5], dtype: 'float32' }, ['[3, 0, 5]']],
  ];
  for (const [name, input, fragments] of wrong) {
    it(`rejects ${name}`, async () => {
      await assert.rejects(prepare(input), invalid(...fragments));
    });
  }
});
