// Resident memory while images of random shapes are predicted on: torchdet-shapes.mjs PREDICTS THREADS. Prints {"mebibytes"}: after
// every tenth predict.
import { createRequire } from 'node:module';

const [predicts, threads] = process.argv.slice(2).map(Number);
const require = createRequire(import.meta.url);
const { Detector, setThreads } = require('../../dist/index.js');
setThreads(threads);

const [SMALLEST, LARGEST] = [32, 960];
let state = 1;
/** Of a linear congruential generator: the same shapes in every run. */
function side() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return SMALLEST + Math.floor((state / 2 ** 32) * (LARGEST - SMALLEST + 1));
}

// One piece of memory for all images: what grows is not JavaScript's.
const pixels = Buffer.alloc(LARGEST * LARGEST * 3);
for (let i = 0; i < pixels.length; i++) pixels[i] = (i * 31) % 251;
const detector = await Detector.default({ device: 'cpu' });
const mebibytes = [];
for (let i = 1; i <= predicts; i++) {
  const [width, height] = [side(), side()];
  const data = pixels.subarray(0, width * height * 3);
  await detector.predict([{ data, width, height, channels: 3 }]);
  if (i % 10 === 0) mebibytes.push(process.memoryUsage.rss() / 2 ** 20);
}
process.stdout.write(`${JSON.stringify({ mebibytes })}\n`);
