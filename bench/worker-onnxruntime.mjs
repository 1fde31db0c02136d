// onnxruntime-node in a process of its own: worker-onnxruntime.mjs FOLDER SUBJECT THREADS. Protocol: see protocol.mjs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from './protocol.mjs';

const [folder, subject, threads] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { InferenceSession, Tensor } = require('onnxruntime-node');

const { height, width } = JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
const pixels = readFileSync(join(folder, `${subject}.rgb`));
const floats = new Float32Array(pixels.length);
for (let i = 0; i < pixels.length; i++) {
  floats[(i % 3) * height * width + Math.floor(i / 3)] = pixels[i] / 255;
}
const image = new Tensor('float32', floats, [3, height, width]);
const session = await InferenceSession.create(join(folder, `${subject}.onnx`), {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(threads),
  graphOptimizationLevel: 'all',
});

async function run() {
  const { boxes, labels, scores } = await session.run({ [session.inputNames[0]]: image });
  return {
    boxes: [...boxes.data],
    labels: Array.from(labels.data, Number),
    scores: [...scores.data],
  };
}

await serve(run, `onnxruntime-node ${require('onnxruntime-node/package.json').version}`);
