// From nothing to the first detection of the detector that ships with the package: torchdet-start.mjs IMAGE THREADS. Prints
// how many objects it found.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const [image, threads] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, setThreads } = require('../../dist/index.js');
setThreads(Number(threads));
const detector = await Detector.default({ device: 'cpu' });
const [result] = await detector.predict([readFileSync(image)], { scoreThreshold: 0.5 });
process.stdout.write(`${result.length}\n`);
