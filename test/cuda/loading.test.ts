import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { TorchdetError } from '../../lib/errors';
import {
  chooseDevice,
  CUDA_LIBRARY,
  cudaLibraryPath,
  type CudaSupport,
  missingOperators,
} from '../../lib/runtime/cuda';

const CPU_BUILD = { flavour: 'cpu', root: '/opt/libtorch' };
const CUDA_BUILD = { flavour: 'cu130', root: '/opt/libtorch' };

/** A machine, and how often its CUDA operators were opened. */
function machine(support: Partial<CudaSupport>): CudaSupport & { opened: () => number } {
  let opened = 0;
  return {
    libtorch: CUDA_BUILD,
    devices: 0,
    driver: false,
    openOperators: () => {
      opened++;
    },
    ...support,
    opened: () => opened,
  };
}

describe('the device that is meant', () => {
  it('opens the CUDA operators where a device of CUDA is used, and only there', () => {
    const two = machine({ devices: 2, driver: true });
    assert.equal(chooseDevice('cpu', two), 'cpu');
    assert.equal(two.opened(), 0);
    assert.equal(chooseDevice('auto', two), 'cuda:0');
    assert.equal(chooseDevice('cuda', two), 'cuda:0');
    assert.equal(chooseDevice('cuda:1', two), 'cuda:1');
    assert.equal(two.opened(), 3);
    const none = machine({});
    assert.equal(chooseDevice('auto', none), 'cpu');
    assert.equal(none.opened(), 0);
  });

  it('names what is missing: LibTorch with CUDA, a driver, a device, a device of that number', () => {
    const cases: [string, Partial<CudaSupport>, string, RegExp][] = [
      [
        'cuda',
        { libtorch: CPU_BUILD, driver: true },
        'ERR_LIBTORCH_CPU',
        /CPU build.*--flavour cu130/,
      ],
      ['cuda:1', { libtorch: CPU_BUILD }, 'ERR_LIBTORCH_CPU', /"cuda:1".*\/opt\/libtorch/],
      ['cuda', {}, 'ERR_DEVICE', /no NVIDIA driver/],
      ['cuda', { driver: true }, 'ERR_DEVICE', /driver may be too old/],
      ['cuda:1', { devices: 1 }, 'ERR_DEVICE', /there is 1 CUDA device, /],
      ['cuda:4', { devices: 3 }, 'ERR_DEVICE', /there are 3 CUDA devices, numbered from 0/],
      ['gpu', { devices: 3 }, 'ERR_DEVICE', /"gpu".*"auto", "cpu", "cuda"/],
      ['cuda:x', { devices: 3 }, 'ERR_DEVICE', /"cuda:x"/],
    ];
    for (const [device, support, code, message] of cases) {
      const given = machine(support);
      assert.throws(() => chooseDevice(device, given), { name: 'TorchdetError', code, message });
      assert.equal(given.opened(), 0);
    }
  });

  it('is an error where the operators do not open, but with "auto" the CPU and a warning', async () => {
    const broken = machine({
      devices: 1,
      openOperators: () => {
        throw missingOperators();
      },
    });
    assert.throws(() => chooseDevice('cuda', broken), {
      code: 'ERR_CUDA_LIBRARY',
      message: /libtorchdet_cuda\.so.*npm run build:cuda/,
    });
    const warned = new Promise<Error & { code?: string }>((resolve) => {
      process.once('warning', resolve);
    });
    assert.equal(chooseDevice('auto', broken), 'cpu');
    const warning = await warned;
    assert.equal(warning.code, 'ERR_CUDA_LIBRARY');
    assert.match(warning.message, /Detection runs on the CPU/);
  });

  it('does not take a fault of the program for a missing library', () => {
    const faulty = machine({
      devices: 1,
      openOperators: () => {
        throw new RangeError('no such thing');
      },
    });
    assert.throws(() => chooseDevice('auto', faulty), RangeError);
    assert.ok(missingOperators() instanceof TorchdetError);
  });

  it('looks for the operators beside the addon', () => {
    const folder = mkdtempSync(join(tmpdir(), 'torchdet-cuda-'));
    try {
      const addon = join(folder, 'torchdet.node');
      assert.equal(cudaLibraryPath(addon), undefined);
      writeFileSync(join(folder, CUDA_LIBRARY), '');
      assert.equal(cudaLibraryPath(addon), join(folder, CUDA_LIBRARY));
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
