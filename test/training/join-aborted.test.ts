import assert from 'node:assert/strict';
import { ProcessGroup } from '../../lib';
import { freePort } from '../../lib/distributed/launch';
import { oneThread } from './trainer-helpers';

describe('a process that waits for rank 0', () => {
  const names = ['RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT'];
  // Opens LibTorch too, which blocks for longer than the test waits.
  before(oneThread.begin);
  after(() => {
    for (const name of names) Reflect.deleteProperty(process.env, name);
    oneThread.end();
  });

  it("stops with the signal's own reason", async () => {
    const port = String(await freePort());
    const place = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: '127.0.0.1', MASTER_PORT: port };
    Object.assign(process.env, place);
    const controller = new AbortController();
    const reason = new Error('MY REASON');
    setTimeout(() => {
      controller.abort(reason);
    }, 250);
    const { signal } = controller;
    const joined = ProcessGroup.join({ device: 'cpu', threads: 1, connectTimeout: 20, signal });
    await assert.rejects(joined, (error) => error === reason);
  });
});
