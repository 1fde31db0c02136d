import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { replaceFile } from '../../lib/files';
import { JsonLines, parseJsonLines, writeWhole } from '../../lib/training/run-folder';

describe('files of a run', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-run-folder-'));
  const path = (name: string) => join(folder, name);
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('are replaced whole or not at all', async () => {
    await writeWhole(path('a'), 'first');
    await assert.rejects(
      replaceFile(path('a'), async (part) => {
        await writeFile(part, 'half');
        throw new Error('disk full');
      }),
      { code: 'ERR_FILE', message: /Could not write .*a: disk full/ },
    );
    assert.equal(readFileSync(path('a'), 'utf8'), 'first');
    await writeWhole(path('a'), Buffer.from('second'));
    assert.equal(readFileSync(path('a'), 'utf8'), 'second');
    assert.deepEqual(readdirSync(folder), ['a']);
    await assert.rejects(writeWhole(path('none/b'), ''), { code: 'ERR_FILE' });
  });

  it('lines are cut back to where a checkpoint was made, and go on from there', async () => {
    const lines = await JsonLines.open(path('m'), 0);
    await lines.append({ step: 1 });
    const { length } = lines;
    await lines.append({ step: 2, name: 'ö' });
    await lines.close();
    const again = await JsonLines.open(path('m'), length);
    await again.append({ step: 3 });
    await again.sync();
    await again.close();
    const text = readFileSync(path('m'), 'utf8');
    assert.equal(text, '{"step":1}\n{"step":3}\n');
    await assert.rejects(JsonLines.open(path('m'), 1000), {
      code: 'ERR_FILE',
      message: /has 22 bytes, but had 1000/,
    });
  });

  it('a line that was being written is passed over', () => {
    assert.deepEqual(parseJsonLines('{"a":1}\n{"a":2}\n{"a'), [{ a: 1 }, { a: 2 }]);
    assert.deepEqual(parseJsonLines(''), []);
  });

  it('an old file is begun anew', async () => {
    writeFileSync(path('old'), 'rubbish');
    const lines = await JsonLines.open(path('old'), 0);
    await lines.close();
    assert.equal(readFileSync(path('old'), 'utf8'), '');
  });
});
