import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { readAhead } from '../../lib/cli/read-ahead';

describe('readAhead', () => {
  it('keeps the order and never has more than two items at work', async () => {
    let running = 0;
    let most = 0;
    const work = async (item: number) => {
      running += 1;
      most = Math.max(most, running);
      await sleep(item === 0 ? 20 : 2);
      running -= 1;
      if (item === 3) throw new Error('three');
      return item * 10;
    };
    const seen: unknown[] = [];
    for await (const outcome of readAhead([0, 1, 2, 3, 4], 2, work)) {
      seen.push('value' in outcome ? outcome.value : (outcome.error as Error).message);
      await sleep(5);
    }
    assert.deepEqual(seen, [0, 10, 20, 'three', 40]);
    assert.equal(most, 2);
  });

  it('starts nothing more once it is left or aborted', async () => {
    let started = 0;
    const work = () => Promise.resolve((started += 1));
    for await (const outcome of readAhead([1, 2, 3, 4, 5, 6], 2, work)) {
      if (outcome.index === 1) break;
    }
    assert.equal(started, 4);
    const controller = new AbortController();
    const consume = async () => {
      for await (const { index } of readAhead([1, 2, 3, 4], 1, work, controller.signal)) {
        if (index === 1) controller.abort(new Error('enough'));
      }
    };
    await assert.rejects(consume, /enough/);
    assert.equal(started, 7);
  });
});
