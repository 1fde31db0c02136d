// Builds the CUDA operators (native/cuda) into a shared library of their own, which the addon loads where LibTorch has CUDA.
//
//   node scripts/build-cuda.mjs [--arch 90] [--out <folder>]   libtorchdet_cuda.so; all architectures, in build/Release by default
//   node scripts/build-cuda.mjs --host [--out <folder>]        libtorchdet_cuda_host.so: the same code for the CPU, for the tests
//
// Ends with status 3 where the compiler or LibTorch's CUDA headers are not to be had on this machine.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename, join, relative } from 'node:path';
import { parseArgs } from 'node:util';
import { findToolkit, ToolkitMissing } from './cuda-toolkit.mjs';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

/** What LibTorch's own CUDA build runs on; PTX of the last lets later GPUs compile it when it is loaded. */
const ARCHITECTURES = ['75', '80', '86', '89', '90', '100', '120'];

const { values: options } = parseArgs({
  options: {
    arch: { type: 'string', multiple: true },
    out: { type: 'string', default: join(root, 'build', 'Release') },
    host: { type: 'boolean', default: false },
  },
});
const architectures = options.arch ?? ARCHITECTURES;
const unknown = architectures.find((arch) => !ARCHITECTURES.includes(arch));
if (unknown !== undefined) {
  console.error(`--arch ${unknown}: known are ${ARCHITECTURES.join(', ')}`);
  process.exit(1);
}

/** What knows of GPUs, and the tests on a CPU go without. */
const CUDA_ONLY = ['registration.cc', 'recording.cc'];

// lib/ is TypeScript and may not be compiled yet.
require('tsx/cjs');
const { ensureLibtorch } = require(join(root, 'lib', 'runtime', 'ensure.ts'));
const { cacheDirectory } = require(join(root, 'lib', 'runtime', 'cache-dir.ts'));

const native = join(root, 'native');
const objects = join(root, 'build', 'cuda', 'objects');

function run(program, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${program} ended with status ${String(code)}`));
    });
  });
}

/** When what an object was made of was last changed, by the list its compiler wrote; never where there is none. */
function lastChange(list) {
  if (!existsSync(list)) return Infinity;
  const [, files] = readFileSync(list, 'utf8').split(/: /, 2);
  const times = files
    .split(/[\s\\]+/)
    .filter((path) => path !== '')
    .map((path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? Infinity);
  return Math.max(...times);
}

/** Compiles a source where its object is missing or older than what it was made of. */
async function compile(command, source) {
  const id = createHash('sha256').update(command.join('\0')).digest('hex').slice(0, 12);
  const name = relative(native, source).replaceAll('/', '_');
  const object = join(objects, `${name}-${id}.o`);
  const list = `${object}.d`;
  if (existsSync(object) && statSync(object).mtimeMs > lastChange(list)) return object;
  await run(command[0], [...command.slice(1), '-MMD', '-MF', list, '-c', source, '-o', object]);
  return object;
}

/** As many at once as the machine has threads for, as the addon's build has. */
async function compileAll(jobs) {
  const results = new Array(jobs.length);
  let next = 0;
  const worker = async () => {
    for (let i = next++; i < jobs.length; i = next++) results[i] = await jobs[i]();
  };
  await Promise.all([worker(), worker()]);
  return results;
}

function sourcesIn(folder, extension) {
  const path = join(native, folder);
  return readdirSync(path)
    .filter((name) => name.endsWith(extension))
    .sort()
    .map((name) => join(path, name));
}

async function main() {
  const libtorch = await ensureLibtorch();
  const include = join(libtorch.root, 'include');
  const [isystem, hidden] = ['-isystem', '-fvisibility=hidden'];
  const ccache = spawnSync('ccache', ['--version'], { stdio: 'ignore' }).status === 0;
  // No contraction to fused multiply-add: a box near a threshold must live or fall as it does on the CPU.
  const cxx = [
    ...(ccache ? ['ccache'] : []),
    ...['c++', '-std=c++20', '-O2', '-fPIC', hidden, '-ffp-contract=off', '-Wall'],
    ...['-Wno-unknown-pragmas', '-DAT_PER_OPERATOR_HEADERS', isystem, include, `-I${native}`],
  ];
  mkdirSync(objects, { recursive: true });
  mkdirSync(options.out, { recursive: true });
  const shared = [
    ...sourcesIn('cuda', '.cc').filter((path) => !CUDA_ONLY.includes(basename(path))),
    join(native, 'ops', 'roi_checks.cc'),
    join(native, 'ops', 'deform_checks.cc'),
  ];
  const jobs = shared.map((source) => () => compile(cxx, source));

  const libraries = [];
  if (options.host) {
    jobs.push(...sourcesIn('cuda/host', '.cc').map((source) => () => compile(cxx, source)));
  } else {
    if (!existsSync(join(include, 'c10', 'cuda', 'impl', 'cuda_cmake_macros.h'))) {
      throw new ToolkitMissing(
        `the LibTorch in ${libtorch.root} has no CUDA headers: install one through pip (--from pip)`,
      );
    }
    const toolkit = findToolkit(cacheDirectory(), console.error);
    const targets = architectures.map((arch) => `-gencode=arch=compute_${arch},code=sm_${arch}`);
    const last = architectures.at(-1);
    const nvcc = [
      ...[join(toolkit, 'bin', 'nvcc'), '-std=c++17', '-O3', '-fmad=false', '-cudart', 'none'],
      ...[...targets, `-gencode=arch=compute_${last},code=compute_${last}`, '--threads', '2'],
      ...['--expt-relaxed-constexpr', '-Xcompiler', `-fPIC,${hidden}`, isystem, include],
      ...[isystem, join(toolkit, 'include'), isystem, join(toolkit, 'include', 'cccl')],
    ];
    const cxxForCuda = [...cxx, isystem, join(toolkit, 'include')];
    jobs.push(...CUDA_ONLY.map((name) => () => compile(cxxForCuda, join(native, 'cuda', name))));
    jobs.push(...sourcesIn('cuda', '.cu').map((source) => () => compile(nvcc, source)));
    libraries.push(join(toolkit, 'lib', 'libcudart.so.13'));
  }

  const name = options.host ? 'libtorchdet_cuda_host.so' : 'libtorchdet_cuda.so';
  const target = join(options.out, name);
  // libc10_cuda is not linked, only used: the CPU's LibTorch has none, and it is open before this library is.
  await run('c++', [
    ...['-shared', '-o', target, ...(await compileAll(jobs)), ...libraries],
    ...[join(libtorch.libDir, 'libtorch_cpu.so'), join(libtorch.libDir, 'libc10.so')],
    ...['-Wl,--allow-shlib-undefined', '-Wl,-z,nodelete', '-Wl,--as-needed', `-Wl,-soname,${name}`],
  ]);
  console.log(target);
}

try {
  await main();
} catch (error) {
  console.error(`CUDA operators: ${error instanceof Error ? error.message : String(error)}`);
  process.exit(error instanceof ToolkitMissing ? 3 : 1);
}
