import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { needsAddon, runProgram } from './helpers';

const BINDING = JSON.stringify(resolve(__dirname, '../../lib/runtime/binding.ts'));

/** How long threads spin while they wait for each other: set when LibTorch is loaded, for libgomp alone to see. */
describe('threads that wait', () => {
  needsAddon();

  /** What libgomp says it goes by, and what the process has in its environment afterwards. */
  async function settings(chosen: NodeJS.ProcessEnv): Promise<{ rounds: string; left: string }> {
    const unset = { GOMP_SPINCOUNT: undefined, OMP_WAIT_POLICY: undefined };
    const env = { ...process.env, ...unset, OMP_DISPLAY_ENV: 'VERBOSE', ...chosen };
    const program = `require(${BINDING}).loadBinding(); console.log(String(process.env.GOMP_SPINCOUNT));`;
    const { code, stdout, stderr } = await runProgram(program, env);
    assert.equal(code, 0, stderr);
    const rounds = /GOMP_SPINCOUNT = '(\w+)'/.exec(stderr)?.[1] ?? assert.fail(stderr);
    return { rounds, left: stdout.trim() };
  }

  it('spin for a short while, and children inherit nothing of it', async () => {
    assert.deepEqual(await settings({}), { rounds: '10000', left: 'undefined' });
  });

  it('spin as long as the user says', async () => {
    const env = { GOMP_SPINCOUNT: '77' };
    assert.deepEqual(await settings(env), { rounds: '77', left: '77' });
    assert.equal((await settings({ OMP_WAIT_POLICY: 'passive' })).rounds, '0');
  });
});
