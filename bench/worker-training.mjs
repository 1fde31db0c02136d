// torchdet's training in a process of its own: worker-training.mjs FOLDER SUBJECT THREADS. What worker_training.py says holds here
// too.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { serve } from './protocol.mjs';

const [folder, subject, threads] = process.argv.slice(2);
const require = createRequire(import.meta.url);
const { Detector, fasterRcnn, resnetFpn, setThreads, sgd } = require('../dist/index.js');
setThreads(Number(threads));
const path = join(folder, `training-${subject}`);
const { height, width, learningRate, boxes, labels } = JSON.parse(
  readFileSync(`${path}.json`, 'utf8'),
);

const built =
  subject === 'pretrained'
    ? { norm: 'frozen', trainableLayers: 3 }
    : { norm: 'batch', trainableLayers: 5 };
const spec = fasterRcnn({ backbone: resnetFpn('resnet50', built), numClasses: 91 });
const detector = await Detector.create(spec, { device: 'cpu' });
await detector.loadStateDict(`${path}.safetensors`);
const optimizer = await detector.optimizer(
  sgd({ lr: learningRate, momentum: 0.9, weightDecay: 1e-4 }),
);
const image = { data: readFileSync(`${path}.rgb`), width, height, channels: 3 };
let options = { optimizer, seed: 0 };

await serve(
  async () => {
    const { losses } = await detector.trainStep([{ image, boxes, labels }], options);
    options = { optimizer };
    return losses;
  },
  `torchdet ${require('../package.json').version}`,
);
