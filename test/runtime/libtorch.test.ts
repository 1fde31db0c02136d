import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { cacheDirectory } from '../../lib/runtime/cache-dir';
import { findLibtorch, type LibtorchInstallation } from '../../lib/runtime/libtorch';
import { fakeFiles, temporaryFolders, writeFiles } from './helpers';

describe('findLibtorch', () => {
  const folder = temporaryFolders();

  /** An empty cache, so that this machine's own never plays a part. */
  function find(env: NodeJS.ProcessEnv, cacheDir = folder('empty-cache')): LibtorchInstallation {
    return findLibtorch({ env, cacheDir });
  }

  it('takes an unpacked archive, a wheel, a pip target and a Python environment from TORCHDET_LIBTORCH', () => {
    const shapes: [string, string, 'archive' | 'wheel'][] = [
      ['.', '2.11.0+cpu', 'archive'],
      ['libtorch', '2.11.0+cpu', 'archive'],
      ['.', '2.11.0+cu130', 'wheel'],
      ['torch', '2.11.0+cu130', 'wheel'],
      ['lib/python3.12/site-packages/torch', '2.11.0+cu126', 'wheel'],
    ];
    for (const [inside, version, kind] of shapes) {
      const given = folder();
      writeFiles(join(given, inside), fakeFiles(version, kind));
      assert.deepEqual(find({ TORCHDET_LIBTORCH: given }), {
        root: join(given, inside),
        libDir: join(given, inside, 'lib'),
        version,
        flavour: version.split('+')[1],
        source: 'environment',
      });
    }
  });

  it('goes by the order environment variable, Python, cache', () => {
    const variable = writeFiles(folder(), fakeFiles('2.11.0+cpu'));
    const python = folder();
    writeFiles(join(python, 'lib/python3.11/site-packages/torch'), fakeFiles('2.11.0+cpu'));
    const conda = folder();
    writeFiles(join(conda, 'lib/python3.13/site-packages/torch'), fakeFiles('2.11.0'));
    const cache = folder();
    writeFiles(join(cache, 'libtorch/2.11.0-cpu/libtorch'), fakeFiles('2.11.0+cpu', 'archive'));
    const env = { TORCHDET_LIBTORCH: variable, VIRTUAL_ENV: python, CONDA_PREFIX: conda };

    assert.equal(find(env, cache).root, variable);
    assert.equal(find({ ...env, TORCHDET_LIBTORCH: '' }, cache).source, 'python');
    assert.ok(find({ ...env, TORCHDET_LIBTORCH: '' }, cache).root.startsWith(python));
    assert.ok(find({ CONDA_PREFIX: conda }, cache).root.startsWith(conda));
    assert.equal(find({ CONDA_PREFIX: conda }, cache).flavour, 'cpu');
    assert.equal(find({}, cache).root, join(cache, 'libtorch/2.11.0-cpu/libtorch'));
    assert.equal(find({}, cache).source, 'cache');
  });

  it('prefers a CUDA build in the cache and ignores unfinished, broken and other versions there', () => {
    const cache = folder();
    const at = (name: string) => join(cache, 'libtorch', name, 'torch');
    writeFiles(at('2.11.0-cpu'), fakeFiles('2.11.0+cpu'));
    writeFiles(at('2.11.0-cu130.tmp-12'), fakeFiles('2.11.0+cu130'));
    writeFiles(at('2.12.0-cu130'), fakeFiles('2.12.0+cu130'));
    mkdirSync(join(cache, 'libtorch', '2.11.0-cu128'));
    assert.equal(find({}, cache).flavour, 'cpu');
    writeFiles(at('2.11.0-cu126'), fakeFiles('2.11.0+cu126'));
    assert.equal(find({}, cache).flavour, 'cu126');
  });

  it('calls a CUDA wheel without its CUDA libraries a CPU build', () => {
    const files = fakeFiles('2.11.0+cu130');
    delete files['lib/libtorch_cuda.so'];
    const found = find({ TORCHDET_LIBTORCH: writeFiles(folder(), files) });
    assert.deepEqual([found.version, found.flavour], ['2.11.0+cu130', 'cpu']);
  });

  it('refuses another or an unknown version named on purpose, with both versions', () => {
    for (const version of ['2.10.0+cu130', '2.11.1', '2.1.0', '12.11.0']) {
      const given = writeFiles(folder(), fakeFiles(version));
      assert.throws(
        () => find({ TORCHDET_LIBTORCH: given }),
        (error: { code: string; message: string }) =>
          error.code === 'ERR_LIBTORCH_VERSION' &&
          error.message.includes('2.11.0') &&
          error.message.includes(`version ${version}`),
        version,
      );
    }
    const given = writeFiles(folder(), fakeFiles(undefined));
    assert.throws(() => find({ TORCHDET_LIBTORCH: given }), {
      code: 'ERR_LIBTORCH_VERSION',
      message: /version is unknown/,
    });
  });

  it('says what it looked for where TORCHDET_LIBTORCH is wrong, and never passes it over', () => {
    const cache = folder();
    writeFiles(join(cache, 'libtorch/2.11.0-cpu'), fakeFiles('2.11.0+cpu'));
    const empty = folder();
    assert.throws(() => find({ TORCHDET_LIBTORCH: empty }, cache), {
      code: 'ERR_LIBTORCH_NOT_FOUND',
      message: /no LibTorch in that folder: looked for lib\/libtorch_cpu\.so/,
    });
    assert.throws(() => find({ TORCHDET_LIBTORCH: join(empty, 'nothing') }, cache), {
      code: 'ERR_LIBTORCH_NOT_FOUND',
      message: /that folder does not exist/,
    });
  });

  it('passes over another version in a Python environment and mentions it where nothing is found', () => {
    const python = folder();
    writeFiles(join(python, 'lib/python3.11/site-packages/torch'), fakeFiles('2.9.1+cu128'));
    assert.throws(
      () => find({ VIRTUAL_ENV: python }),
      (error: { code: string; message: string }) =>
        error.code === 'ERR_LIBTORCH_NOT_FOUND' &&
        error.message.includes('npx torchdet install-libtorch') &&
        error.message.includes(`${python}: its torch is 2.9.1+cu128, passed over`) &&
        error.message.includes('TORCHDET_LIBTORCH: not set'),
    );
  });
});

describe('cacheDirectory', () => {
  it('is TORCHDET_CACHE where that is set, else a folder in the home', () => {
    assert.equal(cacheDirectory({ TORCHDET_CACHE: '/somewhere/else' }), '/somewhere/else');
    const usual = cacheDirectory({});
    assert.match(usual, /torchdet$/);
    if (!process.env.XDG_CACHE_HOME) assert.equal(usual, join(homedir(), '.cache/torchdet'));
  });
});
