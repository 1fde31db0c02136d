// npm run bench -- [--models a,b] [--trials 11] [--threads n] [--json]
//
// torchdet against torchvision (eager, NCHW and channels last) and onnxruntime-node on torchvision's ONNX export: same
// weights, same image, same number of threads, every competitor in a process of its own, one trial each in turn. Two operators
// of torchvision are compared alone. The peers need TORCHDET_ORACLE_PYTHON (a Python with torchvision, safetensors and
// onnx), onnxruntime-node also `npm install --ignore-scripts` in bench/. Results go to bench/results/.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Worker } from './protocol.mjs';

const here = import.meta.dirname;
const results = join(here, 'results');
const inputs = join(results, 'inputs');
const OPERATORS = ['nms', 'roi_align'];
const WARM_UP = 2;
/** Processes started per competitor, for the median of the time from start to first result; the last one stays. */
const STARTS = 3;
const python = process.env.TORCHDET_ORACLE_PYTHON;

const { values: options } = parseArgs({
  options: {
    models: {
      type: 'string',
      default: 'fasterrcnn_resnet50_fpn,fasterrcnn_mobilenet_v3_large_320_fpn,nms,roi_align',
    },
    trials: { type: 'string', default: '11' },
    threads: { type: 'string', default: String(availableParallelism()) },
    json: { type: 'boolean', default: false },
  },
});

/** Competitors that can run here: [name, command, arguments]. */
function competitors(subject) {
  const args = [inputs, subject, options.threads];
  const operator = OPERATORS.includes(subject);
  const torchvision = join(here, 'worker_torchvision.py');
  const list = [
    ['torchdet', process.execPath, [join(here, 'worker-torchdet.mjs'), ...args]],
    ['torchvision', python, ['-B', torchvision, ...args, 'nchw']],
  ];
  if (!operator) list.push(['torchdet exact', process.execPath, [...list[0][2], 'exact']]);
  if (subject !== 'nms') {
    list.push(['torchvision channels last', python, ['-B', torchvision, ...args, 'channels_last']]);
  }
  if (!operator && existsSync(join(here, 'node_modules', 'onnxruntime-node'))) {
    list.push([
      'onnxruntime-node',
      process.execPath,
      [join(here, 'worker-onnxruntime.mjs'), ...args],
    ]);
  }
  return list;
}

const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** How far two results are apart, in words. */
function difference(own, other) {
  if (own.values) {
    const worst = Math.max(...own.values.map((value, i) => Math.abs(value - other.values[i])));
    return own.values.length === other.values.length ? worst.toExponential(1) : 'lengths differ';
  }
  const near = (i, j) =>
    own.labels[i] === other.labels[j] &&
    [0, 1, 2, 3].every((side) => Math.abs(own.boxes[4 * i + side] - other.boxes[4 * j + side]) < 1);
  let [matched, worst] = [0, 0];
  own.scores.forEach((score, i) => {
    const j = other.scores.findIndex((_, index) => near(i, index));
    if (j < 0) return;
    matched++;
    worst = Math.max(worst, Math.abs(score - other.scores[j]));
  });
  return `${matched}/${other.scores.length} alike, scores to ${worst.toExponential(1)}`;
}

async function measure(subject) {
  const workers = [];
  const env = { ...process.env, OMP_NUM_THREADS: options.threads };
  try {
    for (const [name, command, args] of competitors(subject)) {
      const starts = [];
      let worker;
      for (let start = 0; start < STARTS; start++) {
        worker?.stop();
        worker = await Worker.start(command, args, env);
        starts.push(worker.startSeconds);
      }
      workers.push({ name, worker, starts, times: [] });
    }
    for (let trial = -WARM_UP; trial < Number(options.trials); trial++) {
      // Another order each time: nobody always runs on what the same neighbour left in the caches.
      for (let i = 0; i < workers.length; i++) {
        const { worker, times } = workers[(i + trial + WARM_UP) % workers.length];
        await sleep(50);
        const { ms } = await worker.ask('trial');
        if (trial >= 0) times.push(ms);
      }
    }
    const own = await workers[0].worker.ask('result');
    const rows = [];
    for (const { name, worker, starts, times } of workers) {
      rows.push({
        name,
        version: worker.version,
        medianMs: median(times),
        bestMs: Math.min(...times),
        ratio: median(times) / median(workers[0].times),
        difference: name === 'torchdet' ? '' : difference(own, await worker.ask('result')),
        peakMebibytes: worker.peakMebibytes(),
        startSeconds: median(starts),
        times,
      });
    }
    return rows;
  } finally {
    for (const { worker } of workers) worker.stop();
  }
}

function print(subject, rows) {
  const table = new Table({
    head: [
      subject,
      'median ms',
      'best ms',
      'x torchdet',
      'against torchdet',
      'peak MiB',
      'start s',
    ],
    colAligns: ['left', 'right', 'right', 'right', 'left', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) {
    const numbers = [row.medianMs.toFixed(1), row.bestMs.toFixed(1), row.ratio.toFixed(2)];
    const memory = [row.peakMebibytes.toFixed(0), row.startSeconds.toFixed(2)];
    table.push([row.name, ...numbers, row.difference, ...memory]);
  }
  console.log(`\n${table.toString()}`);
}

if (!python) {
  console.log(
    'bench: TORCHDET_ORACLE_PYTHON is not set. Weights, inputs and all peers come from a Python with torchvision, ' +
      'safetensors and onnx; name it there to run the comparison.',
  );
} else if (!existsSync(join(here, '..', 'dist', 'index.js'))) {
  console.log('bench: dist/ is missing; run "npm run build" first.');
  process.exitCode = 1;
} else {
  const subjects = options.models.split(',');
  mkdirSync(inputs, { recursive: true });
  execFileSync(python, ['-B', join(here, 'prepare.py'), inputs, ...subjects], { stdio: 'inherit' });
  const machine = {
    cpu: cpus()[0]?.model.trim(),
    cores: availableParallelism(),
    threads: Number(options.threads),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    node: process.version,
  };
  const report = { date: new Date().toISOString(), machine, subjects: {} };
  if (!options.json) {
    console.log(
      `${machine.cpu}, ${machine.cores} cores, ${machine.threads} threads, ${options.trials} trials each`,
    );
  }
  for (const subject of subjects) {
    report.subjects[subject] = await measure(subject);
    if (!options.json) print(subject, report.subjects[subject]);
  }
  const file = join(results, `${report.date.replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(options.json ? JSON.stringify(report, null, 2) : `\nWritten to ${file}`);
}
