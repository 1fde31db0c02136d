// npm run bench -- [--subjects a,b] [--trials 7] [--threads n] [--into FILE] [--report] [--draft] [--json]
//
// torchdet against torchvision (eager, NCHW and channels last), onnxruntime-node and OpenVINO on torchvision's ONNX export, and against
// the targets in subjects.mjs. README.md says what is measured and how. Results are kept in bench/results/, and published
// (publish.mjs) once all subjects are there.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { publish, drawing } from './publish.mjs';
import { printAll, printSubject } from './report.mjs';
import { SUBJECTS } from './subjects.mjs';

const here = import.meta.dirname;
const inputs = join(here, 'results', 'inputs');
const python = process.env.TORCHDET_ORACLE_PYTHON;

const { values: options } = parseArgs({
  options: {
    subjects: { type: 'string', default: '' },
    models: { type: 'string', default: '' },
    trials: { type: 'string', default: '7' },
    threads: { type: 'string', default: String(availableParallelism()) },
    predicts: { type: 'string', default: '1000' },
    seconds: { type: 'string', default: '10' },
    into: { type: 'string' },
    report: { type: 'boolean', default: false },
    draft: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
});

function fail(message) {
  console.error(`bench: ${message}`);
  process.exit(1);
}

const machine = () => ({
  cpu: cpus()[0]?.model.trim(),
  cores: availableParallelism(),
  threads: Number(options.threads),
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  node: process.version,
});

/** A new report, or the one that is to be gone on with. */
function open(file) {
  if (!existsSync(file)) {
    if (options.report) fail(`there is no ${file}`);
    return { machine: machine(), results: {} };
  }
  const report = JSON.parse(readFileSync(file, 'utf8'));
  const found = report.machine;
  const own = machine();
  if (!options.report && (found.threads !== own.threads || found.cpu !== own.cpu)) {
    fail(`${file} was measured with ${found.threads} threads on ${found.cpu}; take another file`);
  }
  return report;
}

/** Those named, themselves or by their kind; without names, all that the report has not or that failed. */
function chosen(report) {
  const names = [options.subjects, options.models]
    .flatMap((list) => list.split(','))
    .filter(Boolean);
  const meant = (subject) => names.includes(subject.name) || names.includes(subject.kind);
  const known = (name) => SUBJECTS.some((subject) => [subject.name, subject.kind].includes(name));
  const unknown = names.filter((name) => !known(name));
  if (unknown.length > 0) {
    fail(`unknown subject ${unknown[0]}; there are ${SUBJECTS.map(({ name }) => name).join(', ')}`);
  }
  const missing = ({ name }) => report.results[name]?.rows === undefined;
  return SUBJECTS.filter(names.length > 0 ? meant : missing);
}

async function measure(subject) {
  const trials = Math.min(Number(options.trials), subject.mostTrials ?? Infinity);
  const context = {
    inputs,
    python,
    trials,
    threads: Number(options.threads),
    predicts: Number(options.predicts),
    seconds: Number(options.seconds),
  };
  const measured = { date: new Date().toISOString(), trials };
  try {
    if (subject.inputs.length > 0) {
      const args = ['-B', join(here, 'prepare.py'), inputs, ...subject.inputs];
      execFileSync(python, args, { stdio: ['ignore', 'ignore', 'inherit'] });
    }
    return { ...measured, ...(await subject.measure(subject, context)) };
  } catch (error) {
    console.error(error.message);
    return { ...measured, failed: error.reason ?? error.message.split('\n')[0] };
  }
}

async function measureAll(report, file) {
  for (const subject of chosen(report)) {
    if (subject.inputs.length > 0 && !python) {
      console.error(
        `bench: ${subject.name} is left out. TORCHDET_ORACLE_PYTHON is not set: weights, inputs and all peers come from a Python ` +
          'with torchvision, safetensors, onnx, pillow and openvino; name it there.',
      );
      continue;
    }
    const result = await measure(subject);
    report.results[subject.name] = result;
    writeFileSync(file, `${JSON.stringify(report, null, 1)}\n`);
    if (result.failed !== undefined) process.exitCode = 1;
    if (!options.json) printSubject(subject, result);
  }
}

/** All of the table, with no subject failed. */
const complete = (report) => SUBJECTS.every(({ name }) => report.results[name]?.rows);

const stamp = new Date().toISOString().replace(/[:.]/g, '-');
const file = resolve(options.into ?? join(here, 'results', `${stamp}.json`));
if (!options.report && !existsSync(join(here, '..', 'dist', 'index.js'))) {
  fail('dist/ is missing; run "npm run build" first.');
}
if (options.report && options.into === undefined) fail('--report needs --into FILE');
mkdirSync(inputs, { recursive: true });
mkdirSync(dirname(file), { recursive: true });
const report = open(file);
if (!options.report) await measureAll(report, file);

if (options.json) console.log(JSON.stringify(report, null, 1));
else printAll(report);
if (complete(report) && !options.draft) {
  for (const written of await publish(report)) console.error(`Written: ${written}`);
} else if (Object.keys(report.results).length > 0) {
  const svg = file.replace(/(\.json)?$/, '.svg');
  writeFileSync(svg, drawing(report));
  console.error(
    `Written: ${file} and ${svg}. Nothing published: ${options.draft ? 'a draft' : 'not all subjects are there'}.`,
  );
}
