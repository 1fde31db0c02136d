/**
 * A small stroke font, drawn for torchdet: labels look the same on every machine, also on those without any font, as
 * slim containers are. Glyphs are SVG paths in a grid where capitals reach from y = 0 down to the baseline at y = 14, small
 * letters start at y = 5 and descenders end at y = 18.5; x starts at 0. They are stroked with round caps, not filled.
 */

/** Height of capitals and digits, in units of the grid. */
export const capHeight = 14;
/** Line width that suits the grid. */
export const strokeWidth = 2;

/** Empty columns after each glyph. */
const spacing = 4;

const bowl = 'M0 9.5a4 4.5 0 1 0 8 0a4 4.5 0 1 0-8 0';

/** Character: [width, path]. */
const glyphs: Readonly<Record<string, readonly [width: number, path: string]>> = {
  ' ': [3, ''],
  '!': [0, 'M0 0V9M0 13.8v.2'],
  '"': [3.5, 'M0 0V4M3.5 0V4'],
  '#': [10, 'M3.5 1L1.5 13M8.5 1L6.5 13M.5 5H10M0 9.5H9.5'],
  $: [
    8,
    'M7.4 3.6Q6.6 2 4 2Q.6 2 .6 4.6Q.6 6.6 4 7.2Q8 7.9 8 10Q8 12.4 4 12.4Q1 12.4 0 10.4M4 0V14.5',
  ],
  '%': [
    11,
    'M9.5 0L1.5 14M0 3a2.3 3 0 1 0 4.6 0a2.3 3 0 1 0-4.6 0M6.4 11a2.3 3 0 1 0 4.6 0a2.3 3 0 1 0-4.6 0',
  ],
  '&': [
    10,
    'M10 14L2.4 4.6Q1.6 3.4 1.6 2.6Q1.8 0 4.2 0Q6.8 0 6.8 2.6Q6.8 4.6 3.6 6.4Q0 8.2 0 10.6Q.2 14 4 14Q8.4 14 9.4 8',
  ],
  "'": [0, 'M0 0V4'],
  '(': [3, 'M3-1Q0 2 0 7.5Q0 13 3 16'],
  ')': [3, 'M0-1Q3 2 3 7.5Q3 13 0 16'],
  '*': [6, 'M3 0V7M0 1.7L6 5.3M6 1.7L0 5.3'],
  '+': [8, 'M4 4V12M0 8H8'],
  ',': [1, 'M1 13.5Q1 15.5 0 16.8'],
  '-': [5, 'M0 8.5H5'],
  '.': [0, 'M0 13.8v.2'],
  '/': [6, 'M6 0L0 15'],
  '0': [8, 'M0 7a4 7 0 1 0 8 0a4 7 0 1 0-8 0'],
  '1': [7, 'M1 3L4 0V14M1 14H7'],
  '2': [8, 'M.4 3.8Q.6 0 4 0Q7.6 0 7.6 3.7Q7.6 6 5 8.8L.2 14H8'],
  '3': [8, 'M.6 2.4Q1.6 0 4 0Q7.4 0 7.4 3.4Q7.4 6.6 3.2 6.6Q8 6.6 8 10.3Q8 14 4 14Q.8 14 0 11.2'],
  '4': [8.4, 'M6.2 14V0L0 10H8.4'],
  '5': [8, 'M7.2 0H1.2L.6 6.4Q2 5.2 4 5.2Q8 5.2 8 9.5Q8 14 3.8 14Q1 14 0 11.8'],
  '6': [8, 'M7 1.4Q6 0 4.4 0Q0 0 0 8.2Q0 14 4 14Q8 14 8 9.7Q8 5.8 4.2 5.8Q.6 5.8 0 9.6'],
  '7': [8, 'M0 0H8L3 14'],
  '8': [
    8,
    'M4 6.5Q.6 6.5 .6 3.2Q.6 0 4 0Q7.4 0 7.4 3.2Q7.4 6.5 4 6.5Q0 6.5 0 10.3Q0 14 4 14Q8 14 8 10.3Q8 6.5 4 6.5Z',
  ],
  '9': [8, 'M1 12.6Q2 14 3.6 14Q8 14 8 5.8Q8 0 4 0Q0 0 0 4.3Q0 8.2 3.8 8.2Q7.4 8.2 8 4.4'],
  ':': [0, 'M0 6.8v.2M0 13.8v.2'],
  ';': [1, 'M1 6.8v.2M1 13.5Q1 15.5 0 16.8'],
  '<': [7, 'M7 3.5L0 8L7 12.5'],
  '=': [8, 'M0 6H8M0 10.5H8'],
  '>': [7, 'M0 3.5L7 8L0 12.5'],
  '?': [7, 'M0 3Q.4 0 3.6 0Q7 0 7 3.2Q7 5.4 4.8 6.8Q3.4 7.7 3.4 9.6M3.4 13.8v.2'],
  '@': [
    13,
    'M9.4 10.2Q8.6 11 7 11Q3.8 11 3.8 7.6Q3.8 4.2 7 4.2Q9.6 4.2 9.6 7V9.4Q9.8 10.8 11 10.8Q13 10.4 13 7Q13 0 6.6 0Q0 0 0 7.6Q0 15 7 15Q9.4 15 11 14',
  ],
  A: [10, 'M0 14L5 0L10 14M1.8 9H8.2'],
  B: [9, 'M0 0H4.5Q8 0 8 3.4Q8 6.7 4.5 6.7H0H5Q9 6.7 9 10.3Q9 14 5 14H0Z'],
  C: [9.8, 'M9.8 3A5.4 7 0 1 0 9.8 11'],
  D: [9.5, 'M0 0H4Q9.5 0 9.5 7Q9.5 14 4 14H0Z'],
  E: [8, 'M8 0H0V14H8M0 6.8H7'],
  F: [8, 'M8 0H0V14M0 6.8H7'],
  G: [9.8, 'M9.8 3A5.4 7 0 1 0 9.8 11V7.6H6'],
  H: [9, 'M0 0V14M9 0V14M0 6.8H9'],
  I: [0, 'M0 0V14'],
  J: [6, 'M6 0V10Q6 14 3 14Q0 14 0 10.5'],
  K: [9, 'M0 0V14M8.5 0L0 8.5M3 5.6L9 14'],
  L: [7.5, 'M0 0V14H7.5'],
  M: [11, 'M0 14V0L5.5 10L11 0V14'],
  N: [9, 'M0 14V0L9 14V0'],
  O: [10.8, 'M0 7a5.4 7 0 1 0 10.8 0a5.4 7 0 1 0-10.8 0'],
  P: [9, 'M0 14V0H5Q9 0 9 4Q9 8 5 8H0'],
  Q: [10.8, 'M0 7a5.4 7 0 1 0 10.8 0a5.4 7 0 1 0-10.8 0M6.5 10.5L10.8 15'],
  R: [9.2, 'M0 14V0H5Q9 0 9 4Q9 8 5 8H0M5 8L9.2 14'],
  S: [9, 'M8.4 2.6Q7.2 0 4.6 0Q.6 0 .6 3.4Q.6 6.2 4.6 6.9Q9 7.6 9 10.6Q9 14 4.7 14Q1.2 14 0 11'],
  T: [10, 'M0 0H10M5 0V14'],
  U: [9.2, 'M0 0V9Q0 14 4.6 14Q9.2 14 9.2 9V0'],
  V: [10, 'M0 0L5 14L10 0'],
  W: [14, 'M0 0L3.5 14L7 0L10.5 14L14 0'],
  X: [9, 'M0 0L9 14M9 0L0 14'],
  Y: [10, 'M0 0L5 7L10 0M5 7V14'],
  Z: [9, 'M0 0H9L0 14H9'],
  '[': [3, 'M3-1H0V16H3'],
  '\\': [6, 'M0 0L6 15'],
  ']': [3, 'M0-1H3V16H0'],
  '^': [7, 'M0 5L3.5 0L7 5'],
  _: [9, 'M0 16H9'],
  '`': [2.5, 'M0 0L2.5 2.5'],
  a: [8, `${bowl}M8 5V14`],
  b: [8, `${bowl}M0 0V14`],
  c: [7.5, 'M7.5 7.2A4 4.5 0 1 0 7.5 11.8'],
  d: [8, `${bowl}M8 0V14`],
  e: [8, 'M0 9.5H8A4 4.5 0 1 0 7 12.5'],
  f: [6, 'M6 .4Q5.2 0 4.6 0Q2.4 0 2.4 3V14M0 5H5.5'],
  g: [8, `${bowl}M8 5V14.5Q8 18.5 4 18.5Q1.8 18.5 .6 17.2`],
  h: [7.5, 'M0 0V14M0 9Q0 5 4 5Q7.5 5 7.5 9V14'],
  i: [0, 'M0 5V14M0 .8v.2'],
  j: [2.5, 'M2.5 5V15.5Q2.5 18.5 0 18.3M2.5 .8v.2'],
  k: [7.4, 'M0 0V14M7 5L0 10.5M2.8 8.4L7.4 14'],
  l: [0, 'M0 0V14'],
  m: [12, 'M0 5V14M0 8.5Q0 5 3 5Q6 5 6 8.5V14M6 8.5Q6 5 9 5Q12 5 12 8.5V14'],
  n: [7.5, 'M0 5V14M0 9Q0 5 4 5Q7.5 5 7.5 9V14'],
  o: [8, bowl],
  p: [8, `${bowl}M0 5V18.5`],
  q: [8, `${bowl}M8 5V18.5`],
  r: [5, 'M0 5V14M0 9Q.4 5 5 5.2'],
  s: [7, 'M6.6 6.7Q5.6 5 3.5 5Q.4 5 .4 7.2Q.4 8.9 3.5 9.4Q7 9.9 7 11.7Q7 14 3.6 14Q1 14 0 12.2'],
  t: [6, 'M2.4 1.5V11Q2.4 14 4.8 14Q5.4 14 6 13.7M0 5H5.8'],
  u: [7.5, 'M0 5V10Q0 14 3.6 14Q7.5 14 7.5 10M7.5 5V14'],
  v: [7.6, 'M0 5L3.8 14L7.6 5'],
  w: [11.2, 'M0 5L2.8 14L5.6 5L8.4 14L11.2 5'],
  x: [7.4, 'M0 5L7.4 14M7.4 5L0 14'],
  y: [7.6, 'M0 5L3.8 14M7.6 5L3.4 15.5Q2.2 18.5 0 18.4'],
  z: [7, 'M0 5H7L0 14H7'],
  '{': [4, 'M4-1Q2-1 2 1.5V5Q2 7.5 0 7.5Q2 7.5 2 10V13.5Q2 16 4 16'],
  '|': [0, 'M0-1V17'],
  '}': [4, 'M0-1Q2-1 2 1.5V5Q2 7.5 4 7.5Q2 7.5 2 10V13.5Q2 16 0 16'],
  '~': [8, 'M0 9.5Q.8 7 2.6 7Q3.6 7 4.4 8Q5.2 9 6 9Q7.4 9 8 6.8'],
};

/** Text without the marks on its letters (café becomes cafe): the font has the letters of ASCII. */
export function plainLetters(text: string): string {
  return text.normalize('NFKD').replace(/\p{M}+/gu, '');
}

/** Whether every character has a glyph. */
export function hasGlyphs(text: string): boolean {
  return Array.from(text).every((character) => Object.hasOwn(glyphs, character));
}

/**
 * One SVG path and the width of a line of text, in units of the grid, for {@link hasGlyphs} text; other characters are
 * left out.
 */
export function strokeText(text: string): { readonly elements: string; readonly width: number } {
  let x = 0;
  let elements = '';
  for (const character of text) {
    const [width, path] = glyphs[character] ?? [0, ''];
    if (path !== '') elements += `<path transform="translate(${x.toFixed(1)})" d="${path}"/>`;
    x += width + spacing;
  }
  return { elements, width: Math.max(0, x - spacing) };
}
