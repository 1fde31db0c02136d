// Delay of the event loop while one predict follows the other: torchdet-event-loop.mjs MODEL THREADS SECONDS. MODEL is `default`
// or a name. Prints {"idle", "busy", "predicts"}, delays in milliseconds.
import { createRequire } from 'node:module';
import { monitorEventLoopDelay } from 'node:perf_hooks';

const [model, threads, seconds] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, setThreads } = require('../../dist/index.js');
setThreads(Number(threads));

/** Of the timer whose delay is measured; part of every figure. */
const RESOLUTION = 1;
const [width, height] = [640, 480];
const data = Buffer.alloc(width * height * 3);
for (let i = 0; i < data.length; i++) data[i] = (i * 31) % 251;
const image = { data, width, height, channels: 3 };

async function delays(work) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
  histogram.enable();
  await work();
  histogram.disable();
  const ms = (nanoseconds) => nanoseconds / 1e6;
  return {
    p50: ms(histogram.percentile(50)),
    p99: ms(histogram.percentile(99)),
    max: ms(histogram.max),
  };
}

const detector =
  model === 'default'
    ? await Detector.default({ device: 'cpu' })
    : await Detector.create(model, { device: 'cpu', onMessage: () => undefined });
await detector.predict([image]);
await detector.predict([image]);
const idle = await delays(() => new Promise((resolve) => setTimeout(resolve, 2000)));
let predicts = 0;
const busy = await delays(async () => {
  const end = performance.now() + Number(seconds) * 1000;
  while (performance.now() < end) {
    await detector.predict([image]);
    predicts++;
  }
});
process.stdout.write(`${JSON.stringify({ idle, busy, predicts })}\n`);
