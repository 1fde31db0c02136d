import assert from 'node:assert/strict';
import { join } from 'node:path';
import { addonPath, loaderPath } from '../../lib/runtime/addons';
import { type DoctorReport, examine } from '../../lib/runtime/doctor';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { fakeFiles, temporaryFolders, writeFiles } from './helpers';

describe('examine', () => {
  const folder = temporaryFolders();

  function environment(libtorch: string): NodeJS.ProcessEnv {
    return { ...process.env, TORCHDET_LIBTORCH: libtorch, TORCHDET_CACHE: folder('cache') };
  }

  function check(report: DoctorReport, name: string) {
    const found = report.checks.find((entry) => entry.name === name);
    assert.ok(found, `no check "${name}" in ${JSON.stringify(report.checks)}`);
    return found;
  }

  it('reports a bad shared object instead of dying of it', async function () {
    if (!loaderPath()) this.skip();
    const libtorch = writeFiles(folder(), fakeFiles('2.11.0+cpu'));
    const report = await examine({ env: environment(libtorch) });
    assert.equal(report.ok, false);
    assert.equal(check(report, 'LibTorch').status, 'ok');
    const { status, detail } = check(report, 'LibTorch loads');
    assert.equal(status, 'failed');
    assert.match(detail, /libc10\.so: (invalid ELF header|file too short)/);
    assert.match(detail, /--force/);
  });

  it('reports a missing and a wrong LibTorch without trying to load it', async () => {
    const wrong = writeFiles(folder(), fakeFiles('2.4.0+cpu'));
    for (const [libtorch, words] of [
      [join(wrong, 'nothing'), /that folder does not exist/],
      [wrong, /needs LibTorch 2\.11\.0; .* version 2\.4\.0\+cpu/],
    ] as const) {
      const report = await examine({ env: environment(libtorch) });
      assert.equal(report.ok, false);
      assert.match(check(report, 'LibTorch').detail, words);
      assert.ok(!report.checks.some(({ name }) => name === 'LibTorch loads'));
    }
  });

  it('finds nothing wrong with a whole installation', async function () {
    let root: string;
    try {
      root = findLibtorch().root;
    } catch {
      console.log('      skipped: LibTorch is not installed');
      return this.skip();
    }
    if (!addonPath() || !loaderPath()) {
      console.log('      skipped: the addon is not built');
      return this.skip();
    }
    const report = await examine({ env: environment(root) });
    assert.deepEqual(
      report.checks.filter(({ status }) => status === 'failed'),
      [],
    );
    assert.equal(report.ok, true);
    assert.match(check(report, 'tensor operation').detail, /torchvision::nms/);
    assert.match(check(report, 'native addon loads').detail, /2\.11\.0/);
  });
});
