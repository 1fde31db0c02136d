// Eight images of different shapes by torchdet, in one call or one after the other:
// torchdet-batch.mjs FOLDER SUBJECT THREADS together|alone. Protocol: see protocol.mjs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from '../protocol.mjs';

const [folder, subject, threads, mode] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, setThreads } = require('../../dist/index.js');
setThreads(Number(threads));

/** Widths and heights as cameras and data sets have them, both ways up. */
const SHAPES = [
  [640, 480],
  [480, 640],
  [640, 427],
  [427, 640],
  [500, 375],
  [375, 500],
  [612, 612],
  [640, 360],
];

const given = JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
const pixels = readFileSync(join(folder, `${subject}.rgb`));

/** The picture repeated and cut to a shape. */
function cut(width, height) {
  const data = Buffer.alloc(width * height * 3);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const from = ((y % given.height) * given.width + (x % given.width)) * 3;
      pixels.copy(data, (y * width + x) * 3, from, from + 3);
    }
  }
  return { data, width, height, channels: 3 };
}

const images = SHAPES.map(([width, height]) => cut(width, height));
const detector = await Detector.create(subject, { device: 'cpu' });
await detector.loadStateDict(join(folder, `${subject}.safetensors`));

async function run() {
  const results = [];
  if (mode === 'together') results.push(...(await detector.predict(images)));
  else for (const image of images) results.push(...(await detector.predict([image])));
  return { toJSON: () => packed(results) };
}

/** Labels are moved by 1000 from image to image: detections are compared within theirs. */
const packed = (results) => ({
  boxes: results.flatMap(({ boxes }) => [...boxes]),
  labels: results.flatMap(({ labels }, i) => Array.from(labels, (label) => label + 1000 * i)),
  scores: results.flatMap(({ scores }) => [...scores]),
});

await serve(run, `torchdet ${require('../../package.json').version}`);
