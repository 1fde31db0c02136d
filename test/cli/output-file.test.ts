import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { checkOutputFile } from '../../lib/cli/output-file';
import { UsageError } from '../../lib/cli/usage-error';
import { runHere } from './run-here';

describe('files that commands write at their end', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-output-'));
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const refused = (path: string, message: RegExp) =>
    assert.rejects(checkOutputFile('--out', path), (error) => {
      assert.ok(error instanceof UsageError, String(error));
      assert.match(error.message, message);
      return true;
    });

  it('need a folder that is there', async () => {
    writeFileSync(join(folder, 'file'), '');
    await checkOutputFile('--out', join(folder, 'new.pt'));
    await checkOutputFile('--out', join(folder, 'file'));
    await checkOutputFile('--out', 'in-this-folder.pt');
    await refused(join(folder, 'nodir/q.pt'), /^--out .*q\.pt: there is no folder .*nodir\.$/);
    await refused(join(folder, 'file/q.pt'), /there is no folder .*file\.$/);
    await refused(folder, /name a file, not a folder/);
    await refused(join(folder, 'new/'), /name a file, not a folder/);
    await refused('', /name a file, not a folder/);
  });

  it('need a folder that may be written to', async function () {
    // Whoever may do everything is refused nothing.
    if (process.getuid?.() === 0) this.skip();
    const closed = join(folder, 'closed');
    mkdirSync(closed, { mode: 0o500 });
    await refused(join(closed, 'q.pt'), /the folder .*closed cannot be written to \(EACCES\)/);
  });

  // There is no such data set: what is said of the file comes before it is looked for.
  const data = ['--data', join(folder, 'no-data')];

  it('are looked at by calibrate and eval before the work', async () => {
    const out = join(folder, 'nodir/q.pt');
    const page = join(folder, 'nodir/x.html');
    for (const args of [
      ['calibrate', ...data, '--out', out],
      ['eval', ...data, '--report', page],
    ]) {
      const { code, stderr } = await runHere(...args);
      assert.match(stderr, /^error: --(out|report) .*: there is no folder .*nodir\.\n$/);
      assert.equal(code, 2);
    }
  });

  it('must be able to hold a calibration', async () => {
    for (const name of ['q2.safetensors', 'Q2.SAFETENSORS']) {
      const out = join(folder, name);
      const { code, stdout, stderr } = await runHere('calibrate', ...data, '--out', out);
      assert.match(stderr, /^error: --out .*holds weights alone.*name a \.pt archive\.\n$/);
      assert.deepEqual([code, stdout], [2, '']);
    }
  });
});
