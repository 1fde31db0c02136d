import assert from 'node:assert/strict';
import { join } from 'node:path';

import { readSafetensors, writeSafetensors } from '../../lib/checkpoints/safetensors';
import { assertExpected, fixtures } from './fixtures';

/** A file with this header (an object, or text as it is) and so many bytes of data. */
function file(header: object | string, dataLength = 0): Buffer {
  const text = Buffer.from(typeof header === 'string' ? header : JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  return Buffer.concat([length, text, Buffer.alloc(dataLength)]);
}

const two = (begin: number, end: number, more: object = {}): object => ({
  dtype: 'F32',
  shape: [(end - begin) / 4],
  data_offsets: [begin, end],
  ...more,
});

describe('readSafetensors', () => {
  it('reads what the format’s own implementation wrote', () => {
    const { tensors, metadata } = readSafetensors(join(fixtures, 'plain.safetensors'));
    assertExpected('plain.safetensors', tensors);
    assert.deepEqual(metadata, { made: 'by hand' });
  });

  it('aligns tensors that lie at odd places', () => {
    const bytes = file({ a: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, b: two(1, 9) }, 9);
    new Float32Array([1.5, -2]).forEach((value, i) =>
      bytes.writeFloatLE(value, bytes.length - 8 + 4 * i),
    );
    const { data } = readSafetensors(bytes).tensors.get('b') ?? assert.fail();
    assert.deepEqual([...new Float32Array(data.buffer, data.byteOffset, 2)], [1.5, -2]);
  });

  it('takes an empty file of tensors, scalars and empty shapes', () => {
    assert.equal(readSafetensors(file('{}')).tensors.size, 0);
    const scalar = { dtype: 'F64', shape: [], data_offsets: [0, 8] };
    const empty = { dtype: 'F32', shape: [0, 5], data_offsets: [8, 8] };
    const { tensors } = readSafetensors(file({ scalar, empty }, 8));
    assert.deepEqual(tensors.get('scalar')?.shape, []);
    assert.equal(tensors.get('empty')?.data.length, 0);
  });

  const refused: [string, Buffer, RegExp][] = [
    ['a short file', Buffer.alloc(7), /7 bytes/],
    ['a header longer than the file', file('{}').subarray(0, 9), /announces a header of 2 bytes/],
    ['a header of 2^63 bytes', Buffer.from('0000000000000080', 'hex'), /9223372036854775808/],
    ['a header that is an array', file('[]'), /does not begin with "\{"/],
    ['a header that is not JSON', file('{"a":'), /not JSON/],
    ['duplicate names', file('{"a":1,"a":2}'), /twice/],
    ['duplicate fields', file('{"a":{"dtype":"F32","dtype":"F64"}}'), /twice/],
    ['an escaped duplicate', file('{"a":{},"\\u0061":{}}'), /twice/],
    ['an entry that is no object', file({ a: 1 }), /"a" is not described/],
    [
      'an unknown dtype',
      file({ a: two(0, 4, { dtype: 'F8_E4M3' }) }, 4),
      /F8_E4M3.*reads F64, F32/,
    ],
    ['no dtype', file({ a: { shape: [], data_offsets: [0, 0] } }), /dtype null/],
    ['a negative size', file({ a: two(0, 4, { shape: [-1] }) }, 4), /shape \[-1\]/],
    ['a fractional size', file({ a: two(0, 4, { shape: [1.5] }) }, 4), /shape \[1\.5\]/],
    ['one offset', file({ a: two(0, 4, { data_offsets: [0] }) }, 4), /data_offsets \[0\]/],
    [
      'reversed offsets',
      file({ a: two(0, 4, { data_offsets: [4, 0] }) }, 4),
      /data_offsets \[4,0\]/,
    ],
    ['data beyond the end', file({ a: two(0, 8) }, 4), /ends at byte 8 of 4.*truncated/],
    ['a shape that does not fit', file({ a: two(0, 8, { shape: [3] }) }, 8), /\[3\].*8 bytes/],
    ['an overflowing shape', file({ a: two(0, 0, { shape: [2 ** 40, 2 ** 40] }) }), /0 bytes/],
    ['an overlap', file({ a: two(0, 8), b: two(4, 12) }, 12), /"b" overlaps/],
    ['a hole', file({ a: two(0, 4), b: two(8, 12) }, 12), /"b" leaves a hole/],
    ['data nobody owns', file({ a: two(0, 4) }, 12), /has 12 bytes, its tensors take 4/],
    ['metadata that is not text', file({ __metadata__: { a: 1 } }), /__metadata__ "a" is not text/],
  ];
  for (const [what, bytes, message] of refused) {
    it(`refuses ${what}`, () => {
      assert.throws(() => readSafetensors(bytes), { code: 'ERR_CHECKPOINT_FORMAT', message });
    });
  }

  it('lets no name reach an object’s prototype', () => {
    const { tensors, metadata } = readSafetensors(
      file(
        '{"__metadata__":{"__proto__":"x"},"__proto__":{"dtype":"F32","shape":[0],"data_offsets":[0,0]}}',
      ),
    );
    assert.ok(tensors.has('__proto__'));
    assert.equal(Object.getPrototypeOf(metadata), Object.prototype);
  });
});

describe('writeSafetensors', () => {
  it('writes what it reads, aligned and the same for any order', () => {
    const { tensors } = readSafetensors(join(fixtures, 'plain.safetensors'));
    const written = writeSafetensors(tensors, { 'kind of': '"detector" ü' });
    const again = readSafetensors(written);
    assertExpected('plain.safetensors', again.tensors);
    assert.deepEqual(again.metadata, { 'kind of': '"detector" ü' });
    for (const { data } of again.tensors.values()) {
      if (data.length > 0) assert.equal(data.buffer, written.buffer);
    }
    const reversed = new Map([...tensors].reverse());
    assert.ok(writeSafetensors(reversed, { 'kind of': '"detector" ü' }).equals(written));
  });

  it('takes views of any kind', () => {
    const data = new Float32Array([0, 1, 2, 3]).subarray(1, 3);
    const bytes = writeSafetensors([['x', { dtype: 'float32', shape: [1, 2], data }]]);
    const x = readSafetensors(bytes).tensors.get('x') ?? assert.fail();
    assert.deepEqual([...new Float32Array(x.data.buffer, x.data.byteOffset, 2)], [1, 2]);
  });

  it('refuses duplicate names and shapes that do not fit', () => {
    const x = { dtype: 'float32' as const, shape: [2], data: new Float32Array(2) };
    const code = 'ERR_INVALID_ARGUMENT';
    assert.throws(
      () =>
        writeSafetensors([
          ['x', x],
          ['x', x],
        ]),
      { code },
    );
    assert.throws(() => writeSafetensors([['__metadata__', x]]), { code });
    assert.throws(() => writeSafetensors([['x', { ...x, shape: [3] }]]), {
      code,
      message: /\[3\]/,
    });
  });
});
