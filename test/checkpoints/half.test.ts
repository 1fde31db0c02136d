import assert from 'node:assert/strict';
import { toHalf } from '../../lib/checkpoints/half';

/** What half precision means, by the book. */
function fromHalf(half: number): number {
  const exponent = (half >> 10) & 31;
  const mantissa = half & 1023;
  const sign = half & 0x8000 ? -1 : 1;
  if (exponent === 31) return mantissa === 0 ? sign * Infinity : NaN;
  return sign * (exponent === 0 ? mantissa : mantissa + 1024) * 2 ** (Math.max(exponent, 1) - 25);
}

const half = (value: number) => toHalf(Float32Array.of(value), 'it')[0] ?? NaN;

describe('toHalf', () => {
  it('keeps every number that half precision has', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = fromHalf(bits);
      if (Number.isNaN(value)) assert.ok(Number.isNaN(fromHalf(half(value))));
      else assert.equal(half(value), bits, `bits ${bits}`);
    }
  });

  it('rounds to the nearest, ties to even', () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const [low, high] = [fromHalf(bits), fromHalf(bits + 1)];
      const middle = (low + high) / 2; // single precision holds it exactly
      const little = (high - low) / 64;
      assert.equal(half(middle), bits + (bits & 1), `tie above bits ${bits}`);
      assert.equal(half(middle - little), bits);
      assert.equal(half(-(middle + little)), 0x8000 | (bits + 1));
    }
    assert.equal(half(1e-30), 0);
    assert.equal(half(-1e-40), 0x8000);
    assert.equal(half(65519), 0x7bff);
  });

  it('refuses what is beyond its range, and names it', () => {
    for (const value of [65520, -1e30]) {
      assert.throws(() => half(value), {
        code: 'ERR_INVALID_ARGUMENT',
        message: /^it holds .*65504/,
      });
    }
  });
});
