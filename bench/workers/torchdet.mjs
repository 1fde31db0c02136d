// torchdet in a process of its own: torchdet.mjs FOLDER SUBJECT THREADS FROM [exact|nchw|bfloat16|int8]
//
// FROM: `jpeg` decodes the encoded image in every trial, `pixels` starts from raw bytes. Protocol: see protocol.mjs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from '../protocol.mjs';

const [folder, subject, threads, source, mode] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, readSafetensors, setThreads, Tensor } = require('../../dist/index.js');
setThreads(Number(threads));
const path = join(folder, `${subject}.safetensors`);
/** at::MemoryFormat, as schemas number it. */
const CHANNELS_LAST = 2;

async function modelJob() {
  const { height, width } = JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
  const data = readFileSync(join(folder, `${subject}.rgb`));
  const jpeg = readFileSync(join(folder, `${subject}.jpg`));
  const detector = await Detector.create(subject, { device: 'cpu' });
  await detector.loadStateDict(path);
  const image = source === 'jpeg' ? jpeg : { data, width, height, channels: 3 };
  if (mode === 'int8') await detector.calibrate([image]);
  if (mode === 'int8' || mode === 'bfloat16') await detector.setPrecision(mode);
  return async () => {
    const [result] = await detector.predict([image], { exact: mode === 'exact' });
    return { toJSON: () => packed(result) };
  };
}

function packed(result) {
  const found = {
    boxes: [...result.boxes],
    labels: [...result.labels],
    scores: [...result.scores],
  };
  if (!result.masks) return found;
  const area = (_, i) => result.mask(i).reduce((sum, bit) => sum + bit, 0);
  return { ...found, areas: found.scores.map(area) };
}

/** Operators as detectors use them, without the packing that public functions on typed arrays do: by name, on tensors. */
async function operatorJob() {
  const { engine } = require('../../dist/engine.js');
  const binding = engine();
  const { tensors } = readSafetensors(path);
  const input = (name) => {
    const { data, shape } = tensors.get(name);
    const floats = new Float32Array(
      data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
    );
    return Tensor.from(floats, shape).native;
  };
  if (subject === 'nms') {
    const args = [input('boxes'), input('scores'), 0.5];
    return operator(binding, 'torchvision::nms', args, 1);
  }
  const planes = input('features');
  const features =
    mode === 'nchw'
      ? planes
      : await binding.callOperator('aten::contiguous', [planes, CHANNELS_LAST], 'cpu');
  const args = [features, input('rois'), 0.25, 7, 7, 2, false];
  return operator(binding, 'torchvision::roi_align', args, 1009);
}

function operator(binding, name, args, step) {
  const values = (output) =>
    Array.from(output.toTypedArray(), Number).filter((_, i) => i % step === 0);
  return async () => {
    const output = await binding.callOperator(name, args, 'cpu');
    return { toJSON: () => ({ values: values(output) }) };
  };
}

const operators = ['nms', 'roi_align'];
await serve(
  operators.includes(subject) ? await operatorJob() : await modelJob(),
  `torchdet ${require('../../package.json').version}`,
);
