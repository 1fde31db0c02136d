import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installLibtorch } from '../../lib/runtime/install';
import { temporaryFolders } from './helpers';

/** Stands in for python3 -m pip: writes down its arguments and lays out the wheels' files. */
const FAKE_PIP = `#!/bin/sh
if [ "$3" = --version ]; then echo "pip 24.0"; exit 0; fi
printf '%s\\n' "$@" > "$ARGUMENTS"
echo "TMPDIR=$TMPDIR" >> "$ARGUMENTS"
while [ "$1" != --target ]; do shift; done
cd "$(/bin/mkdir -p "$2" && echo "$2")" || exit 3
/bin/mkdir -p torch/lib torch/include torch/nn torch-2.11.0.dist-info/licenses nvidia/cu13/lib nvidia/cu13/include
echo "__version__ = '2.11.0+cu130'" > torch/version.py
for name in libc10 libtorch_cpu libtorch_cuda libtorch libtorch_python; do echo $name > torch/lib/$name.so; done
echo gomp > torch/lib/libgomp.so.1
echo cudart > nvidia/cu13/lib/libcudart.so.13
echo cupti > nvidia/cu13/lib/libcupti.so.13
echo perf > nvidia/cu13/lib/libnvperf_host.so
echo text > torch-2.11.0.dist-info/licenses/LICENSE
`;

describe('installLibtorch through pip', () => {
  const folder = temporaryFolders();

  /** A PATH with nothing on it but this python3 (and none where the script is undefined). */
  function environment(script?: string): { env: NodeJS.ProcessEnv; arguments: () => string[] } {
    const bin = folder('bin');
    const written = join(bin, 'arguments');
    if (script !== undefined) writeFileSync(join(bin, 'python3'), script, { mode: 0o755 });
    return {
      env: { PATH: bin, ARGUMENTS: written },
      arguments: () => readFileSync(written, 'utf8').trim().split('\n'),
    };
  }

  it('keeps the CPU part of the wheels, with their licences', async () => {
    const { env, arguments: seen } = environment(FAKE_PIP);
    const cacheDir = folder();
    const installed = await installLibtorch({ from: 'pip', cacheDir, env });
    const place = join(cacheDir, 'libtorch/2.11.0-cpu');
    assert.equal(installed.root, join(place, 'torch'));
    assert.deepEqual([installed.flavour, installed.version], ['cpu', '2.11.0+cu130']);
    assert.deepEqual(readdirSync(place).sort(), ['nvidia', 'torch', 'torch-2.11.0.dist-info']);
    assert.deepEqual(readdirSync(join(place, 'torch')).sort(), ['include', 'lib', 'version.py']);
    assert.deepEqual(readdirSync(installed.libDir).sort(), [
      'libc10.so',
      'libgomp.so.1',
      'libtorch_cpu.so',
    ]);
    assert.deepEqual(readdirSync(join(place, 'nvidia/cu13/lib')).sort(), [
      'libcudart.so.13',
      'libcupti.so.13',
    ]);
    assert.ok(existsSync(join(place, 'torch-2.11.0.dist-info/licenses/LICENSE')));
    assert.deepEqual(seen().slice(-4, -1), [
      'torch==2.11.0',
      'nvidia-cuda-runtime==13.0.96',
      'nvidia-cuda-cupti==13.0.85',
    ]);
    assert.ok(seen().includes('--no-deps'));
    // pip must not fill /tmp.
    assert.ok(seen().at(-1)?.startsWith(`TMPDIR=${cacheDir}`));
  });

  it('keeps everything of a CUDA build', async () => {
    const { env, arguments: seen } = environment(FAKE_PIP);
    const cacheDir = folder();
    const installed = await installLibtorch({ from: 'pip', flavour: 'cu130', cacheDir, env });
    assert.equal(installed.flavour, 'cu130');
    assert.ok(existsSync(join(cacheDir, 'libtorch/2.11.0-cu130/torch/nn')));
    assert.ok(seen().includes('nvidia-cudnn-cu13==9.19.0.56'));
    assert.deepEqual(readdirSync(join(cacheDir, 'libtorch')), ['2.11.0-cu130']);
  });

  it('says both ways out where there is no Python, or none with pip', async () => {
    for (const script of [undefined, '#!/bin/sh\necho "No module named pip" >&2\nexit 1\n']) {
      const { env } = environment(script);
      const cacheDir = folder();
      await assert.rejects(installLibtorch({ from: 'pip', cacheDir, env }), {
        code: 'ERR_LIBTORCH_INSTALL',
        message: script
          ? /No module named pip.*apt-get install python3-pip.*--from official/
          : /python3 is not on PATH.*apt-get install python3-pip.*--from official/,
      });
      assert.deepEqual(readdirSync(join(cacheDir, 'libtorch')), []);
    }
  });

  it('passes on why pip failed and what to do', async () => {
    const cases: [string, RegExp][] = [
      ['ERROR: [Errno 28] No space left on device', /disk is full.*TORCHDET_CACHE/],
      [
        'ERROR: Could not find a version that satisfies torch==2.11.0',
        /pip config list.*PIP_INDEX_URL/,
      ],
      ['ERROR: HTTPSConnectionPool: Max retries exceeded', /HTTPS_PROXY/],
    ];
    for (const [words, message] of cases) {
      const script = `#!/bin/sh\n[ "$3" = --version ] && exit 0\necho "${words}" >&2\nexit 1\n`;
      const cacheDir = folder();
      const { env } = environment(script);
      await assert.rejects(
        installLibtorch({ from: 'pip', cacheDir, env }),
        (error: { code: string; message: string }) => {
          assert.equal(error.code, 'ERR_LIBTORCH_INSTALL');
          assert.ok(error.message.includes(words));
          assert.match(error.message.replaceAll('\n', ' '), message);
          return true;
        },
      );
      assert.deepEqual(readdirSync(join(cacheDir, 'libtorch')), []);
    }
  });

  it('ends pip when it is aborted', async () => {
    const script = '#!/bin/sh\n[ "$3" = --version ] && exit 0\necho working\nexec /bin/sleep 30\n';
    const { env } = environment(script);
    const cacheDir = folder();
    mkdirSync(join(cacheDir, 'libtorch'));
    const controller = new AbortController();
    const log = (line: string) => {
      if (line === 'working') controller.abort();
    };
    await assert.rejects(
      installLibtorch({ from: 'pip', cacheDir, env, log, signal: controller.signal }),
      { name: 'AbortError' },
    );
    assert.deepEqual(readdirSync(join(cacheDir, 'libtorch')), []);
  });

  it('has no other CUDA builds, and no hash of one file', async () => {
    const cacheDir = folder();
    await assert.rejects(installLibtorch({ from: 'pip', flavour: 'cu126', cacheDir }), {
      code: 'ERR_LIBTORCH_INSTALL',
      message: /"cpu" or "cu130"; "cu126" only as an archive from https:/,
    });
    await assert.rejects(installLibtorch({ from: 'pip', sha256: 'a'.repeat(64), cacheDir }), {
      code: 'ERR_OPTION_VALUE',
    });
  });
});
