import { TorchdetError } from '../errors';

/** Above this float16 rounds to infinity. */
const limit = 65520;

/**
 * Single precision to half, to the nearest, ties to even, as torch's `.half()`; half precision as Uint16Array.
 *
 * @param name the tensor's, for the message
 * @throws TorchdetError ERR_INVALID_ARGUMENT for numbers beyond float16's range; infinities and NaN are kept
 */
export function toHalf(values: Float32Array, name: string): Uint16Array {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const half = new Uint16Array(values.length);
  for (let i = 0; i < half.length; i++) {
    const single = bits[i] ?? 0;
    const magnitude = single & 0x7fffffff;
    const value = Math.abs(values[i] ?? 0);
    if (value >= limit && value !== Infinity) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `${name} holds ${values[i]}: float16 goes to 65504, save it as float32.`,
      );
    }
    half[i] = ((single >>> 16) & 0x8000) | magnitudeToHalf(magnitude);
  }
  return half;
}

function magnitudeToHalf(magnitude: number): number {
  if (magnitude >= 0x7f800000) return magnitude === 0x7f800000 ? 0x7c00 : 0x7e00;
  const exponent = (magnitude >>> 23) - 112; // the biases are 127 and 15
  if (exponent < -10) return 0;
  const mantissa = magnitude & 0x7fffff;
  // Below 2^-14 numbers have no leading one of their own: it moves into the mantissa.
  const whole = exponent > 0 ? (exponent << 23) | mantissa : mantissa | 0x800000;
  const shift = exponent > 0 ? 13 : 14 - exponent;
  const cut = whole >>> shift;
  const rest = whole & ((1 << shift) - 1);
  const tie = 1 << (shift - 1);
  // Rounding up may carry into the exponent, which is right.
  return rest > tie || (rest === tie && (cut & 1) === 1) ? cut + 1 : cut;
}
