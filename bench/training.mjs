// npm run bench:training -- [--subjects pretrained,scratch] [--steps 11] [--threads n] [--growth 0] [--json]
//
// Steps of training by torchdet and by torchvision (eager, NCHW and channels last): Faster R-CNN with ResNet-50 and a feature pyramid,
// one image of 480 x 640 a step; see worker_training.py. Every competitor in a process of its own, one step each in turn. With
// --growth N, torchdet then makes N steps more, and what its resident memory grows by is shown. The peer needs
// TORCHDET_ORACLE_PYTHON (a Python with torchvision and safetensors). Results go to bench/results/.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import Table from 'cli-table3';
import { Worker } from './protocol.mjs';

const here = import.meta.dirname;
const results = join(here, 'results');
const inputs = join(results, 'inputs');
const WARM_UP = 1;
/** Steps before memory is first looked at: pools and caches have their size by then. */
const SETTLED = 10;
const python = process.env.TORCHDET_ORACLE_PYTHON;

const { values: options } = parseArgs({
  options: {
    subjects: { type: 'string', default: 'pretrained' },
    steps: { type: 'string', default: '11' },
    threads: { type: 'string', default: String(availableParallelism()) },
    growth: { type: 'string', default: '0' },
    json: { type: 'boolean', default: false },
  },
});

const median = (list) => {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

async function start(subject) {
  const env = { ...process.env, OMP_NUM_THREADS: options.threads };
  const args = [inputs, subject, options.threads];
  const peer = ['-B', join(here, 'worker_training.py'), ...args];
  const list = [
    ['torchdet', process.execPath, [join(here, 'worker-training.mjs'), ...args]],
    ['torchvision', python, [...peer, 'nchw']],
    ['torchvision channels last', python, [...peer, 'channels_last']],
  ];
  const workers = [];
  for (const [name, command, words] of list) {
    workers.push({ name, worker: await Worker.start(command, words, env), times: [] });
  }
  return workers;
}

/** Largest difference of losses, relative. */
function difference(own, other) {
  const differences = Object.entries(other).map(
    ([name, loss]) => Math.abs(own[name] - loss) / loss,
  );
  return Math.max(...differences);
}

async function growth(worker, steps) {
  const samples = [];
  for (let step = 0; step < SETTLED + steps; step++) {
    if (step >= SETTLED) samples.push(worker.residentMebibytes());
    await worker.ask('trial');
  }
  samples.push(worker.residentMebibytes());
  // What comes and goes within a step is not growth: the lowest of the first and of the last tenth are compared.
  const tenth = Math.max(1, Math.floor(samples.length / 10));
  const lowest = (list) => Math.min(...list);
  return { steps, mebibytes: lowest(samples.slice(-tenth)) - lowest(samples.slice(0, tenth)) };
}

async function measure(subject) {
  execFileSync(python, ['-B', join(here, 'worker_training.py'), inputs, subject, '1', 'prepare'], {
    stdio: 'inherit',
  });
  const workers = await start(subject);
  try {
    // All are after their first step.
    const first = [];
    for (const { worker } of workers) first.push(await worker.ask('result'));
    for (let step = -WARM_UP; step < Number(options.steps); step++) {
      for (let i = 0; i < workers.length; i++) {
        // Another order each time: nobody always runs on what the same neighbour left in the caches.
        const { worker, times } = workers[(i + step + WARM_UP) % workers.length];
        const { ms } = await worker.ask('trial');
        if (step >= 0) times.push(ms / 1000);
      }
    }
    const peaks = workers.map(({ worker }) => worker.peakMebibytes());
    const grown = Number(options.growth)
      ? await growth(workers[0].worker, Number(options.growth))
      : undefined;
    const own = median(workers[0].times);
    return workers.map(({ name, worker, times }, i) => ({
      name,
      version: worker.version,
      medianSeconds: median(times),
      bestSeconds: Math.min(...times),
      imagesPerSecond: 1 / median(times),
      torchdetTakes: own / median(times),
      firstLossesDifferBy: difference(first[0], first[i]),
      peakMebibytes: peaks[i],
      ...(i === 0 && grown && { growth: grown }),
      times,
    }));
  } finally {
    for (const { worker } of workers) worker.stop();
  }
}

function print(subject, rows) {
  const table = new Table({
    head: [subject, 's/step', 'best', 'images/s', 'torchdet takes', 'losses differ', 'peak MiB'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
  });
  for (const row of rows) {
    table.push([
      row.name,
      row.medianSeconds.toFixed(2),
      row.bestSeconds.toFixed(2),
      row.imagesPerSecond.toFixed(3),
      `${row.torchdetTakes.toFixed(2)} of it`,
      row.firstLossesDifferBy.toExponential(0),
      row.peakMebibytes.toFixed(0),
    ]);
  }
  console.log(`\n${table.toString()}`);
  const grown = rows[0].growth;
  if (grown) {
    console.log(`torchdet grew by ${grown.mebibytes.toFixed(1)} MiB over ${grown.steps} steps`);
  }
}

if (!python) {
  console.log(
    'bench: TORCHDET_ORACLE_PYTHON is not set; name a Python with torchvision and safetensors there.',
  );
} else if (!existsSync(join(here, '..', 'dist', 'index.js'))) {
  console.log('bench: dist/ is missing; run "npm run build" first.');
  process.exitCode = 1;
} else {
  mkdirSync(inputs, { recursive: true });
  const machine = { cpu: cpus()[0]?.model.trim(), threads: Number(options.threads) };
  const report = { date: new Date().toISOString(), machine, training: {} };
  for (const subject of options.subjects.split(',')) {
    report.training[subject] = await measure(subject);
    if (!options.json) print(subject, report.training[subject]);
  }
  const file = join(results, `training-${report.date.replace(/[:.]/g, '-')}.json`);
  writeFileSync(file, `${JSON.stringify(report, null, 2)}\n`);
  console.log(options.json ? JSON.stringify(report, null, 2) : `\nWritten to ${file}`);
}
