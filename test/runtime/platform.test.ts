import assert from 'node:assert/strict';
import { likelyFixes } from '../../lib/runtime/binding';
import { checkPlatform, currentPlatform, hasNvidiaDriver } from '../../lib/runtime/platform';

describe('checkPlatform', () => {
  it('accepts Linux on x64 with glibc, which this machine is', () => {
    assert.deepEqual(currentPlatform(), { os: 'linux', arch: 'x64', libc: 'glibc' });
    assert.doesNotThrow(() => {
      checkPlatform();
    });
  });

  it('names an image to use on musl', () => {
    assert.throws(
      () => {
        checkPlatform({ os: 'linux', arch: 'x64', libc: 'musl' });
      },
      { code: 'ERR_PLATFORM', message: /musl.*node:20-slim/s },
    );
  });

  it('refuses other systems and processors by name', () => {
    const others = [
      ['darwin', 'arm64'],
      ['win32', 'x64'],
      ['linux', 'arm64'],
    ] as const;
    for (const [os, arch] of others) {
      assert.throws(
        () => {
          checkPlatform({ os, arch, libc: os === 'linux' ? 'glibc' : undefined });
        },
        { code: 'ERR_PLATFORM', message: new RegExp(`this is ${os} on ${arch}`) },
      );
    }
  });

  it('sees no driver where the user hides the devices', () => {
    assert.equal(hasNvidiaDriver({ CUDA_VISIBLE_DEVICES: '' }), false);
    assert.equal(hasNvidiaDriver({ CUDA_VISIBLE_DEVICES: '-1' }), false);
  });
});

describe('likelyFixes', () => {
  it('goes from the dynamic linker’s words to what to do', () => {
    const cases: [string, RegExp][] = [
      ['libcupti.so.13: cannot open shared object file', /nvidia-cuda-cupti==13\.0\.85/],
      ['libcudnn.so.9: cannot open shared object file', /--flavour cpu/],
      ["version `GLIBC_2.28' not found", /glibc 2\.28/],
      ['libgomp.so.1: cannot open shared object file', /apt-get install .*libgomp1/],
      ['undefined symbol: _ZN2at4_ops3addE', /--force/],
      ['/x/libtorch_cpu.so: file too short', /--force/],
    ];
    for (const [reason, expected] of cases) assert.match(likelyFixes(reason)[0] ?? '', expected);
    assert.deepEqual(likelyFixes('something else'), [
      'Run "npx torchdet doctor": it shows what was found and loads it step by step.',
    ]);
  });
});
