import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { loadBinding, loadCudaLibraries, openCudaOperators } from '../../lib/runtime/binding';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { buildCuda } from './build';

/** All of libc10_cuda that the library may use: seen in LibTorch 2.11.0's CUDA build. */
const FROM_LIBTORCH_CUDA = [
  'at::cuda::CUDAGraph::CUDAGraph(bool)',
  'at::cuda::CUDAGraph::capture_begin(std::pair<unsigned long long, unsigned long long>, cudaStreamCaptureMode)',
  'at::cuda::CUDAGraph::capture_end()',
  'at::cuda::CUDAGraph::replay()',
  'at::cuda::CUDAGraph::~CUDAGraph()',
  'at::cuda::graph_pool_handle()',
  'c10::cuda::CUDAStream::stream() const',
  'c10::cuda::CUDAStream::synchronize() const',
  'c10::cuda::c10_cuda_check_implementation(int, char const*, char const*, unsigned int, bool)',
  'c10::cuda::getCurrentCUDAStream(signed char)',
  'c10::cuda::getStreamFromPool(bool, signed char)',
  'c10::cuda::setCurrentCUDAStream(c10::cuda::CUDAStream)',
];

const KERNELS = [
  ...['SuppressionBits', 'RoiAlignForward', 'RoiAlignBackward', 'PsRoiAlignForward'],
  ...['PsRoiAlignBackward', 'RoiPoolForward', 'RoiPoolBackward', 'PsRoiPoolForward'],
  ...['PsRoiPoolBackward', 'DeformColumns', 'DeformInputGradient', 'DeformOffsetGradient'],
];

/** The lines that a program prints. */
async function* linesOf(program: string, ...args: string[]): AsyncGenerator<string> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'ignore'] });
  const ended = new Promise<number | null>((resolve) => child.on('close', resolve));
  yield* createInterface({ input: child.stdout });
  assert.equal(await ended, 0, `${program} ${args.join(' ')}`);
}

/** Names of dynamic symbols, without their versions. */
async function symbols(kind: 'undefined' | 'defined', path: string): Promise<Set<string>> {
  const names = new Set<string>();
  for await (const line of linesOf('nm', '-D', `--${kind}-only`, path)) {
    const [type, name] = line.trim().split(/\s+/).slice(-2);
    // Weak ones may stay open.
    if (kind === 'undefined' && type !== 'U') continue;
    if (name !== undefined) names.add(name.split('@')[0] ?? name);
  }
  return names;
}

async function demangled(names: Iterable<string>): Promise<string[]> {
  const list = [...names];
  if (list.length === 0) return [];
  const found: string[] = [];
  for await (const line of linesOf('c++filt', ...list)) found.push(line);
  return found.sort();
}

/** Where the loader found the libraries of this system that a library is linked to. */
async function systemLibraries(path: string): Promise<string[]> {
  const found: string[] = [];
  for await (const line of linesOf('ldd', path)) {
    const file = /=> (\/\S+)/.exec(line)?.[1] ?? /^\s*(\/\S*ld-linux\S*)/.exec(line)?.[1];
    if (file !== undefined) found.push(file);
  }
  return found;
}

describe('the library of CUDA operators', function () {
  this.timeout(900_000);
  let library: string;

  before(async function () {
    // One architecture: that it compiles is the question.
    const built = await buildCuda('--arch', '90');
    if ('unavailable' in built) {
      console.log(`      not built: ${built.unavailable}`);
      this.skip();
    } else {
      library = built.path;
    }
  });

  it('holds every kernel, for float32, float64 and where torchvision has them the halves', async () => {
    const names: string[] = [];
    for await (const line of linesOf('nm', '-C', library)) names.push(line);
    const has = (kernel: string) =>
      names.some((name) => name.includes(`launch<torchdet::cuda::${kernel}`));
    for (const kernel of KERNELS) {
      assert.ok(has(`${kernel}<float`), `${kernel}<float>`);
      assert.ok(has(`${kernel}<double`), `${kernel}<double>`);
    }
    assert.ok(
      has('RoiAlignForward<c10::Half, float>') && has('RoiAlignForward<c10::BFloat16, float>'),
    );
    assert.ok(has('FillBatch'));
    assert.ok(names.some((name) => name.includes('scan_segments')));
  });

  it('holds code for the GPU', async () => {
    const sections: string[] = [];
    for await (const line of linesOf('readelf', '-SW', library)) sections.push(line);
    const fatbin =
      sections.find((line) => line.includes('.nv_fatbin')) ?? assert.fail('no GPU code');
    const size = parseInt(/\.nv_fatbin\s+\S+\s+\S+\s+\S+\s+(\S+)/.exec(fatbin)?.[1] ?? '0', 16);
    assert.ok(size > 100_000, `${String(size)} bytes`);
  });

  it("needs nothing but what LibTorch's libraries, CUDA's runtime and the system have", async () => {
    const { libDir, root } = findLibtorch();
    const open = await symbols('undefined', library);
    const providers = [
      ...['libtorch_cpu.so', 'libc10.so'].map((name) => join(libDir, name)),
      ...(await systemLibraries(join(libDir, 'libc10.so'))),
      join(root, '..', 'nvidia', 'cu13', 'lib', 'libcudart.so.13'),
      join(root, 'lib', 'libcudart.so.13'),
    ].filter((path) => existsSync(path));
    for (const provider of providers) {
      for (const name of await symbols('defined', provider)) open.delete(name);
    }
    // Symbols of a CUDA runtime that stands elsewhere are told by their names.
    const left = [...open].filter((name) => !/^(cuda[A-Z]|__cuda)/.test(name));
    assert.deepEqual(await demangled(left), FROM_LIBTORCH_CUDA);
    const missing = new Set(left);
    for (const cuda of ['libc10_cuda.so', 'libtorch_cuda.so'].map((name) => join(libDir, name))) {
      if (!existsSync(cuda)) return;
      for (const name of await symbols('defined', cuda)) missing.delete(name);
    }
    assert.deepEqual([...missing], []);
  });

  it('opens where LibTorch has CUDA, and says what is wrong where it has not', () => {
    loadBinding();
    if (findLibtorch().flavour === 'cpu') {
      assert.throws(
        () => {
          openCudaOperators(library);
        },
        { code: 'ERR_LIBTORCH_CPU' },
      );
    } else {
      assert.ok(loadCudaLibraries());
      openCudaOperators(library);
    }
  });
});
