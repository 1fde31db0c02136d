// onnxruntime-node on torchvision's ONNX export, in a process of its own: onnxruntime.mjs FOLDER SUBJECT THREADS FROM
//
// FROM: `jpeg` decodes the encoded image in every trial (sharp, as torchdet does), `pixels` starts from floats. Protocol: see
// protocol.mjs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import sharp from 'sharp';
import { serve } from '../protocol.mjs';

const [folder, subject, threads, source] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { InferenceSession, Tensor } = require('onnxruntime-node');

const { height, width } = JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
const jpeg = readFileSync(join(folder, `${subject}.jpg`));

/** Interleaved bytes to a CHW tensor in 0..1. */
function tensorOf(pixels) {
  const plane = height * width;
  const floats = new Float32Array(3 * plane);
  for (let i = 0, p = 0; i < plane; i++) {
    floats[i] = pixels[p++] / 255;
    floats[plane + i] = pixels[p++] / 255;
    floats[2 * plane + i] = pixels[p++] / 255;
  }
  return new Tensor('float32', floats, [3, height, width]);
}

const photo = tensorOf(readFileSync(join(folder, `${subject}.rgb`)));
const session = await InferenceSession.create(join(folder, `${subject}.onnx`), {
  executionProviders: ['cpu'],
  intraOpNumThreads: Number(threads),
  graphOptimizationLevel: 'all',
});

async function run() {
  const image = source === 'jpeg' ? tensorOf(await sharp(jpeg).raw().toBuffer()) : photo;
  const found = await session.run({ [session.inputNames[0]]: image });
  return { toJSON: () => packed(found) };
}

function packed({ boxes, labels, scores, masks }) {
  const found = {
    boxes: [...boxes.data],
    labels: Array.from(labels.data, Number),
    scores: [...scores.data],
  };
  if (!masks) return found;
  const plane = height * width;
  const area = (_, i) =>
    masks.data.subarray(i * plane, (i + 1) * plane).reduce((sum, p) => sum + (p > 0.5), 0);
  return { ...found, areas: found.scores.map(area) };
}

await serve(run, `onnxruntime-node ${require('onnxruntime-node/package.json').version}`);
