import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { interruptible, isInterruption } from '../../lib/cli/interruptible';
import { TorchdetError } from '../../lib/errors';

/** Ctrl-C for the command that listens last; mocha has a listener too, which must not hear of it. */
function pressCtrlC(name: 'SIGINT' | 'SIGTERM' = 'SIGINT'): void {
  process.listeners(name).at(-1)?.(name);
}

describe('a command that Ctrl-C ends', () => {
  const full = new TorchdetError('ERR_FILE', 'Could not write last.pt: no space left on device');

  it('gives 130, or 143 after SIGTERM', async () => {
    for (const [name, code] of [
      ['SIGINT', 130],
      ['SIGTERM', 143],
    ] as const) {
      const ended = interruptible(async (signal) => {
        pressCtrlC(name);
        await sleep(1000, undefined, { signal });
        return 0;
      });
      assert.equal(await ended, code);
    }
  });

  it('tells what failed while it ended in good order', async () => {
    const ended = interruptible(() => {
      pressCtrlC();
      return Promise.reject(full);
    });
    await assert.rejects(ended, full);
  });

  it('knows its own reason from other errors', () => {
    const controller = new AbortController();
    const { signal } = controller;
    const aborted = new TorchdetError('ERR_ABORTED', 'The call was aborted.');
    assert.ok(!isInterruption(aborted, signal) && !isInterruption(aborted, undefined));
    controller.abort();
    assert.ok(isInterruption(signal.reason, signal) && isInterruption(aborted, signal));
    assert.ok(!isInterruption(full, signal));
    const other = new DOMException('of another signal', 'AbortError');
    assert.ok(!isInterruption(other, signal));
  });
});
