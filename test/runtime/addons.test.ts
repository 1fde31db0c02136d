import assert from 'node:assert/strict';
import { join, resolve } from 'node:path';
import { addonPath, loaderPath } from '../../lib/runtime/addons';
import { runProgram, temporaryFolders, writeFiles } from './helpers';

const BUILT = {
  'build/Release/torchdet.node': '',
  'build/loader/build/Release/torchdet_loader.node': '',
};
const PACKED = {
  'prebuilds/linux-x64/torchdet.glibc.node': '',
  'prebuilds/linux-x64/torchdet.musl.node': '',
  'prebuilds/loader/prebuilds/linux-x64/torchdet-loader.glibc.node': '',
};

describe('addonPath and loaderPath', () => {
  const folder = temporaryFolders();

  it('find what was built before what was packed', () => {
    const root = writeFiles(folder(), { ...BUILT, ...PACKED });
    assert.equal(addonPath(root), join(root, 'build/Release/torchdet.node'));
    assert.equal(loaderPath(root), join(root, 'build/loader/build/Release/torchdet_loader.node'));
  });

  it('find what a package carries, for this C library', () => {
    const root = writeFiles(folder(), PACKED);
    const place = 'prebuilds/loader/prebuilds/linux-x64/torchdet-loader.glibc.node';
    assert.equal(addonPath(root), join(root, 'prebuilds/linux-x64/torchdet.glibc.node'));
    assert.equal(loaderPath(root), join(root, place));
    assert.equal(addonPath(folder()), undefined);
    assert.equal(loaderPath(folder()), undefined);
  });

  it('pass over what was built with PREBUILDS_ONLY=1', async () => {
    const root = JSON.stringify(writeFiles(folder(), { ...BUILT, ...PACKED }));
    const addons = JSON.stringify(resolve(__dirname, '../../lib/runtime/addons.ts'));
    const program = `const a = require(${addons}); console.log(a.addonPath(${root}), a.loaderPath(${root}))`;
    const { stdout } = await runProgram(program, { ...process.env, PREBUILDS_ONLY: '1' });
    assert.match(stdout, /linux-x64\/torchdet\.glibc\.node .*torchdet-loader\.glibc\.node\n$/);
  });
});
