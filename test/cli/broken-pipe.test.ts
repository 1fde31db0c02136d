import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fakeArchive, temporaryFolders } from '../runtime/helpers';

const program = resolve(__dirname, '../../bin/torchdet.js');

/** Runs the program (of dist) with nobody at the other end of one of its streams. */
async function withoutReader(
  gone: 'stdout' | 'stderr',
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [program, ...args], {
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  child[gone].destroy();
  let text = '';
  child[gone === 'stdout' ? 'stderr' : 'stdout'].on('data', (chunk: Buffer) => {
    text += chunk.toString();
  });
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, text };
}

describe('torchdet with a pipe that nobody reads', () => {
  const folder = temporaryFolders();

  it('goes on with its work where that was for messages', async () => {
    const file = join(folder(), 'libtorch.zip');
    writeFileSync(file, fakeArchive('2.11.0+cpu'));
    const cache = folder();
    const { code, text } = await withoutReader('stderr', ['install-libtorch', '--from', file], {
      TORCHDET_CACHE: cache,
    });
    assert.equal(
      text,
      `LibTorch 2.11.0+cpu (cpu) is ready in ${cache}/libtorch/2.11.0-cpu/libtorch\n`,
    );
    assert.equal(code, 0);
  });

  it('ends well where that was for results', async () => {
    assert.deepEqual(await withoutReader('stdout', ['models']), { code: 0, text: '' });
  });
});
