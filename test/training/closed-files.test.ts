import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProcessGroup, Trainer } from '../../lib';
import { writeSquares } from './made-data';
import { oneThread, tinyRun } from './trainer-helpers';

/** What this process has open below a folder. */
function openBelow(folder: string): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const path = readlinkSync(join('/proc/self/fd', fd));
      return path.startsWith(folder) ? [path] : [];
    } catch {
      // The listing's own, gone by now.
      return [];
    }
  });
}

describe('a run that cannot begin', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-closed-'));
  before(oneThread.begin);
  before(() => writeSquares(join(folder, 'squares'), { train: 2, val: 1 }));
  after(oneThread.end);
  after(() => {
    rmSync(folder, { recursive: true });
  });

  it('leaves no file open where its first checkpoint cannot be written', async () => {
    mkdirSync(join(folder, 'full/last.pt'), { recursive: true });
    const options = await tinyRun(folder, 'full');
    await assert.rejects(Trainer.create(options), { code: 'ERR_FILE', message: /last\.pt/ });
    assert.deepEqual(openBelow(folder), []);
    await options.detector.dispose();
  });

  it('leaves no file open where another process is lost', async () => {
    const lost = new Error('lost');
    const group = await ProcessGroup.join({ device: 'cpu' });
    // One of two, the other of which ends after the first checkpoint.
    const broken = Object.create(group, {
      worldSize: { value: 2 },
      synchronize: { value: () => Promise.resolve() },
      barrier: { value: () => Promise.reject(lost) },
    }) as ProcessGroup;
    const options = await tinyRun(folder, 'lost', { group: broken });
    await assert.rejects(Trainer.create(options), lost);
    assert.deepEqual(openBelow(folder), []);
    await options.detector.dispose();
  });
});
