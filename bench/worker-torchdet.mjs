// torchdet in a process of its own: worker-torchdet.mjs FOLDER SUBJECT THREADS [exact]. Protocol: see protocol.mjs.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from './protocol.mjs';

const [folder, subject, threads, mode] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, readSafetensors, setThreads, Tensor } = require('../dist/index.js');
setThreads(Number(threads));
const path = join(folder, `${subject}.safetensors`);

async function modelJob() {
  const { height, width } = JSON.parse(readFileSync(join(folder, `${subject}.json`), 'utf8'));
  const data = readFileSync(join(folder, `${subject}.rgb`));
  const detector = await Detector.create(subject, { device: 'cpu' });
  await detector.loadStateDict(path);
  return async () => {
    const image = { data, width, height, channels: 3 };
    const [result] = await detector.predict([image], { exact: mode === 'exact' });
    return {
      boxes: [...result.boxes],
      labels: [...result.labels],
      scores: [...result.scores],
    };
  };
}

/** Operators have no public function of their own: they are called as archives call them, by name. */
function operatorJob() {
  const { engine } = require('../dist/engine.js');
  const { tensors } = readSafetensors(path);
  const input = (name) => {
    const { data, shape } = tensors.get(name);
    const floats = new Float32Array(
      data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength),
    );
    return Tensor.from(floats, shape).native;
  };
  const [operator, args] =
    subject === 'nms'
      ? ['torchvision::nms', [input('boxes'), input('scores'), 0.5]]
      : ['torchvision::roi_align', [input('features'), input('rois'), 0.25, 7, 7, 2, false]];
  return async () => {
    const output = await engine().callOperator(operator, args, 'cpu');
    return { toJSON: () => sample(output.toTypedArray()) };
  };
}

function sample(values) {
  const step = subject === 'nms' ? 1 : 1009;
  return { values: Array.from(values, Number).filter((_, i) => i % step === 0) };
}

const operators = ['nms', 'roi_align'];
await serve(
  operators.includes(subject) ? operatorJob() : await modelJob(),
  `torchdet ${require('../package.json').version}`,
);
