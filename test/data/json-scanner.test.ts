// Large JSON files in pieces.
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { JsonScanner, scanJson } from '../../lib/data/json-scanner';

interface Piece {
  readonly key: string;
  readonly element: boolean;
  readonly value: unknown;
  readonly offset: number;
  readonly line: number;
}

function scan(text: string, chunk: number): Piece[] {
  const pieces: Piece[] = [];
  const scanner = new JsonScanner('x.json', ({ key, element, bytes, offset, line }) => {
    pieces.push({ key, element, value: JSON.parse(bytes.toString()) as unknown, offset, line });
  });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunk) scanner.push(bytes.subarray(at, at + chunk));
  scanner.end();
  return pieces;
}

const document = {
  info: { text: 'brackets ] } and "quotes" \\', list: [[1], [2, [3]]] },
  images: [
    { id: 1, name: 'ä"\\' },
    { id: 2 },
    3.5e-2,
    'text, with ] and \\" in it',
    null,
    true,
    [],
  ],
  none: [],
  'a "key"\\': -1,
  flag: false,
};

describe('JSON in pieces', () => {
  for (const [name, text] of [
    ['compact', JSON.stringify(document)],
    ['indented', JSON.stringify(document, null, 2)],
    ['with a byte order mark', `\uFEFF${JSON.stringify(document, null, 1)}\n`],
  ] as const) {
    it(`finds every element whatever the chunks: ${name}`, () => {
      for (const chunk of [1, 2, 3, 7, 64, 4096]) {
        const pieces = scan(text, chunk);
        assert.deepEqual(
          pieces.filter(({ key }) => key === 'images').map(({ value }) => value),
          document.images,
        );
        const values = pieces.filter(({ element }) => !element);
        assert.deepEqual(Object.fromEntries(values.map(({ key, value }) => [key, value])), {
          info: document.info,
          'a "key"\\': -1,
          flag: false,
        });
        // Places are those in the file.
        for (const { offset, line, value } of pieces) {
          const before = Buffer.from(text).subarray(0, offset).toString();
          assert.equal(before.split('\n').length, line);
          const rest = Buffer.from(text).subarray(offset).toString();
          const head = typeof value === 'object' && value ? /^[[{]/ : /^[^\s[{,]/;
          assert.match(rest, head);
        }
      }
    });
  }

  const refused: readonly (readonly [string, RegExp])[] = [
    ['[1, 2]', /x\.json:1 \(byte 0\): .*"\{" should follow, found "\["/],
    ['{"a": [1, 2', /ends where "," or "\]" should follow: it is cut off|middle of "a"/],
    ['{"a": [{"b": [1,\n 2]', /x\.json:2 .*ends in the middle of "a": it is cut off/],
    ['{"a": [1 2]}', /"," or "\]" should follow, found "2"/],
    ['{"a" 1}', /":" should follow, found "1"/],
    ['{"a": 1} x', /nothing more should follow, found "x"/],
    ['{a: 1}', /a key or "\}" should follow, found "a"/],
    ['{"a": ,}', /a value should follow, found ","/],
    ['', /where "\{" should follow: it is cut off/],
  ];
  for (const [text, message] of refused) {
    it(`refuses ${JSON.stringify(text)}`, () => {
      for (const chunk of [1, 100]) {
        assert.throws(() => scan(text, chunk), { code: 'ERR_DATASET', message });
      }
    });
  }

  it('reads files, tells how far it is, and stops when asked', async () => {
    const folder = await mkdtemp(path.join(tmpdir(), 'torchdet-json-'));
    try {
      const file = path.join(folder, 'large.json');
      const rows = Array.from({ length: 20000 }, (_, id) => ({ id, text: 'x'.repeat(id % 50) }));
      await writeFile(file, JSON.stringify({ rows }));
      let [count, read] = [0, 0];
      const onBytes = (bytes: number) => {
        assert.ok(bytes > read);
        read = bytes;
      };
      await scanJson(file, () => count++, { onBytes, chunkSize: 10_000 });
      assert.equal(count, 20000);
      assert.equal(read, JSON.stringify({ rows }).length);
      const controller = new AbortController();
      count = 0;
      const stop = () => {
        if (++count === 100) controller.abort(new Error('enough'));
      };
      await assert.rejects(scanJson(file, stop, { signal: controller.signal, chunkSize: 10_000 }), {
        message: 'enough',
      });
      assert.ok(count < 2000);
      await assert.rejects(
        scanJson(path.join(folder, 'none.json'), () => undefined),
        {
          code: 'ERR_FILE',
        },
      );
    } finally {
      await rm(folder, { recursive: true });
    }
  });
});
