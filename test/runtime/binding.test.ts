import assert from 'node:assert/strict';
import { resolve } from 'node:path';
import { loaderPath, requireLoader } from '../../lib/runtime/addons';
import { fakeFiles, needsAddon, runProgram, temporaryFolders, writeFiles } from './helpers';

const BINDING = JSON.stringify(resolve(__dirname, '../../lib/runtime/binding.ts'));
const TSX = JSON.stringify(require.resolve('tsx/cjs'));

describe('the loader addon', () => {
  before(function () {
    if (!loaderPath()) this.skip();
  });

  it('throws the dynamic linker’s words and refuses what is no path', () => {
    const loader = requireLoader();
    assert.throws(
      () => {
        loader.open('/no/such/library.so');
      },
      { message: /\/no\/such\/library\.so: cannot open shared object file/ },
    );
    assert.throws(() => {
      loader.open(5 as unknown as string);
    }, TypeError);
  });
});

describe('loadBinding', () => {
  const folder = temporaryFolders();

  it('throws ERR_LIBTORCH_LOAD for files that are no libraries', async function () {
    if (!loaderPath()) return this.skip();
    const libtorch = writeFiles(folder(), fakeFiles('2.11.0+cpu'));
    const program = `try { require(${BINDING}).loadBinding() } catch (error) { console.log(error.code, error.message) }`;
    const { stdout } = await runProgram(program, { ...process.env, TORCHDET_LIBTORCH: libtorch });
    assert.match(stdout, /^ERR_LIBTORCH_LOAD Could not load .*libc10\.so/);
    assert.match(stdout, /found through the environment/);
    assert.match(stdout, /npx torchdet doctor/);
  });

  describe('with LibTorch and the addon', () => {
    needsAddon();

    it('loads once in the main thread and once in a worker, and the process ends cleanly', async () => {
      const program = `
        const { Worker } = require('node:worker_threads');
        const { loadBinding } = require(${BINDING});
        const binding = loadBinding();
        const source = "require(" + ${JSON.stringify(TSX)} + "); const { loadBinding } = require(" +
          ${JSON.stringify(BINDING)} + "); require('node:worker_threads').parentPort.postMessage(loadBinding().torchVersion)";
        new Worker(source, { eval: true }).on('message', (inWorker) =>
          console.log(JSON.stringify([binding === loadBinding(), binding.torchVersion, inWorker])));`;
      const { code, stdout, stderr } = await runProgram(program);
      assert.equal(code, 0, stderr);
      assert.deepEqual(JSON.parse(stdout), [true, '2.11.0', '2.11.0']);
    });

    it('leaves the CUDA libraries alone where no driver is in use', async () => {
      const program = `
        require(${BINDING}).loadBinding().cudaDeviceCount();
        const maps = require('node:fs').readFileSync('/proc/self/maps', 'utf8');
        console.log(maps.includes('libtorch_cpu.so'), maps.includes('libtorch_cuda.so'));`;
      const { stdout } = await runProgram(program, { ...process.env, CUDA_VISIBLE_DEVICES: '' });
      assert.equal(stdout.trim(), 'true false');
    });
  });
});
