// The measurements of subjects.mjs. Each returns {rows}, one for every competitor or condition, ready to be kept as JSON.
import { execFile } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { batchCompetitors, competitorsOf, precisionCompetitors } from './competitors.mjs';
import { compare } from './compare.mjs';
import { Worker } from './protocol.mjs';

const here = import.meta.dirname;
const run = promisify(execFile);
const WARM_UP = 2;
/** Predicts after which memory has seen its peak. */
const PEAK_PREDICTS = 5;

export function median(list) {
  const sorted = [...list].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const environment = ({ threads }) => ({ ...process.env, OMP_NUM_THREADS: String(threads) });
const rounded = (numbers) => numbers.map((number) => Number(number.toFixed(3)));

/** Runs a script of workers/ to its end; what it printed. */
async function script(name, args, { threads }) {
  const words = [join(here, 'workers', name), ...args.map(String)];
  const env = environment({ threads });
  return (await run(process.execPath, words, { env, maxBuffer: 2 ** 26 })).stdout;
}

/** All competitors, each in a process of its own, one trial each in turn: [{name, worker, times}], or {name, failed}. */
async function start(competitors, context) {
  const workers = [];
  for (const { name, command, args, most = Infinity } of competitors) {
    try {
      const worker = await Worker.start(command, args, environment(context));
      workers.push({ name, worker, most, times: [] });
    } catch (error) {
      // Without torchdet itself there is nothing to compare.
      if (workers.length === 0 || error.reason === undefined) throw error;
      workers.push({ name, failed: error.reason });
    }
  }
  return workers;
}

async function takeTurns(running, trials) {
  const warmUp = Math.min(WARM_UP, trials);
  for (let trial = -warmUp; trial < trials; trial++) {
    for (let i = 0; i < running.length; i++) {
      // Another order each time: nobody always runs on what the same neighbour left in the caches.
      const { worker, times, most } = running[(i + trial + warmUp) % running.length];
      if (times.length >= most) continue;
      await sleep(50);
      const { ms } = await worker.ask('trial');
      if (trial >= 0) times.push(ms);
    }
  }
}

async function compete(competitors, context) {
  const workers = await start(competitors, context);
  const running = workers.filter(({ failed }) => failed === undefined);
  try {
    await takeTurns(running, context.trials);
    for (const entry of running) entry.result = await entry.worker.ask('result');
    const [own] = running;
    const torchvision = running.find(({ name }) => name === 'torchvision');
    return workers.map(({ name, failed, worker, times, result }) => {
      if (failed !== undefined) return { name, failed };
      return {
        name,
        version: worker.version,
        medianMs: median(times),
        bestMs: Math.min(...times),
        peakMebibytes: Math.round(worker.peakMebibytes()),
        ...(name !== own.name && { againstFirst: compare(own.result, result) }),
        ...(torchvision &&
          name !== 'torchvision' && { againstTorchvision: compare(result, torchvision.result) }),
        times: rounded(times),
      };
    });
  } finally {
    await Promise.all(running.map(({ worker }) => worker.stop()));
  }
}

export async function models({ name, from }, context) {
  return { rows: await compete(competitorsOf(name, from, context), context) };
}

export async function batch({ model }, context) {
  return { rows: await compete(batchCompetitors(model, context), context) };
}

export async function precisions({ model }, context) {
  return { rows: await compete(precisionCompetitors(model, context), context) };
}

/** Peaks of memory, one process after the other. */
export async function peaks({ model }, context) {
  const rows = [];
  for (const competitor of competitorsOf(model, 'jpeg', context)) {
    const [{ worker, name, failed }] = await start([competitor], context).catch((error) => {
      if (competitor.name === 'torchdet' || error.reason === undefined) throw error;
      return [{ name: competitor.name, failed: error.reason }];
    });
    if (failed !== undefined) {
      rows.push({ name, failed });
      continue;
    }
    try {
      for (let i = 0; i < PEAK_PREDICTS; i++) await worker.ask('trial');
      rows.push({
        name,
        version: worker.version,
        peakMebibytes: Math.round(worker.peakMebibytes()),
      });
    } finally {
      await worker.stop();
    }
  }
  return { rows };
}

export async function processStart(subject, context) {
  const image = join(here, '..', 'examples', 'astronaut.jpg');
  const times = [];
  let found;
  // The first brings LibTorch into the page cache.
  for (let i = -1; i < Math.max(5, context.trials); i++) {
    const began = performance.now();
    found = Number(await script('torchdet-start.mjs', [image, context.threads], context));
    if (i >= 0) times.push(performance.now() - began);
  }
  return {
    rows: [
      {
        name: 'torchdet',
        medianMs: median(times),
        bestMs: Math.min(...times),
        found,
        times: rounded(times),
      },
    ],
  };
}

/** How much resident memory is more at the end than after the first tenth; what comes and goes is left out. */
export async function shapes(subject, context) {
  const args = [context.predicts, context.threads];
  const { mebibytes } = JSON.parse(await script('torchdet-shapes.mjs', args, context));
  const tenth = Math.max(1, Math.floor(mebibytes.length / 10));
  const lowest = (list) => Math.min(...list);
  const before = lowest(mebibytes.slice(tenth, 2 * tenth));
  const after = lowest(mebibytes.slice(-tenth));
  const row = {
    name: 'torchdet',
    predicts: context.predicts,
    before,
    after,
    peak: Math.max(...mebibytes),
  };
  return { rows: [{ ...row, mebibytes: mebibytes.map(Math.round) }] };
}

export async function eventLoop({ models: names }, context) {
  const cores = availableParallelism();
  const rows = [];
  for (const threads of new Set([Math.max(1, cores - 1), cores])) {
    for (const model of names) {
      const args = [model, threads, context.seconds];
      const delays = JSON.parse(await script('torchdet-event-loop.mjs', args, { threads }));
      rows.push({
        name: `${model}, threads ${threads}`,
        threads,
        allCores: threads === cores,
        ...delays,
      });
    }
  }
  return { rows };
}
