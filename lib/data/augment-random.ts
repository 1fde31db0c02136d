/** Random numbers for shuffling and augmentation: streams that depend on what they are for and on nothing else. */

/** Where random decisions come from. */
export interface RandomSource {
  /** From 0 to below 1, a multiple of 2^-24, so that it is the same number in float32. */
  next(): number;
  /** A whole number from 0 to `count` - 1. */
  integer(count: number): number;
}

/** Mixes one more number into a hash (the finaliser of MurmurHash3 after each half of it). */
function mix(hash: number, value: number): number {
  let mixed = hash;
  for (const half of [value >>> 0, Math.floor(value / 2 ** 32) >>> 0]) {
    mixed = Math.imul(mixed ^ half, 0x9e3779b1) + 0x85ebca6b;
    mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
    mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
    mixed ^= mixed >>> 16;
  }
  return mixed;
}

/**
 * A stream named by whole numbers, for example seed, epoch and image: the same names give the same numbers, whatever other
 * streams exist and in whatever order they are used. The generator is Chris Doty-Humphrey's sfc32.
 */
export class RandomStream implements RandomSource {
  #a: number;
  #b: number;
  #c: number;
  #counter = 1;

  constructor(...names: readonly number[]) {
    [this.#a, this.#b, this.#c] = [1, 2, 3].map((word) => names.reduce(mix, word)) as [
      number,
      number,
      number,
    ];
    for (let i = 0; i < 12; i++) this.#bits();
  }

  /** 32 random bits. */
  #bits(): number {
    const sum = (((this.#a + this.#b) | 0) + this.#counter) | 0;
    this.#counter = (this.#counter + 1) | 0;
    this.#a = this.#b ^ (this.#b >>> 9);
    this.#b = (this.#c + (this.#c << 3)) | 0;
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  next(): number {
    return (this.#bits() >>> 8) / 2 ** 24;
  }

  integer(count: number): number {
    // Scaled rather than taken modulo: the error is below count / 2^32.
    return Math.floor((this.#bits() / 2 ** 32) * count);
  }
}

/** The numbers 0 to `count` - 1 in random order (Fisher and Yates). */
export function permutation(count: number, random: RandomSource): number[] {
  const order = Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const other = random.integer(i + 1);
    const moved = order[i] ?? 0;
    order[i] = order[other] ?? 0;
    order[other] = moved;
  }
  return order;
}
