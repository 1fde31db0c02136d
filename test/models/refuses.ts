import assert from 'node:assert/strict';
import { TorchdetError } from '../../lib/errors';
import type { ErrorCode } from '../../lib/errors';

/** That `run` throws this error, with a message that says all of the parts. */
export function refuses(run: () => unknown, code: ErrorCode, ...parts: readonly string[]): void {
  assert.throws(run, (error: unknown) => {
    assert.ok(error instanceof TorchdetError, String(error));
    assert.equal(error.code, code, error.message);
    for (const part of parts) {
      assert.ok(error.message.includes(part), `"${error.message}" does not say "${part}"`);
    }
    return true;
  });
}

/** Options as a program in JavaScript might give them. */
export const untyped = (options: unknown): never => options as never;
