import assert from 'node:assert/strict';
import { readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { DoctorReport } from '../../lib/runtime/doctor';
import { fakeArchive, fakeFiles, runProgram, temporaryFolders, writeFiles } from './helpers';

function command(name: string, args: readonly string[], env: NodeJS.ProcessEnv) {
  const file = JSON.stringify(resolve(__dirname, '../../lib/cli', name));
  const program = `Object.values(require(${file}))[0]().parseAsync(${JSON.stringify(args)}, { from: 'user' })`;
  return runProgram(program, { ...process.env, TORCHDET_LIBTORCH: '', ...env });
}

describe('torchdet install-libtorch', () => {
  const folder = temporaryFolders();

  it('installs, says where on stdout and how it goes on stderr', async () => {
    const cache = folder();
    const file = join(folder(), 'libtorch.zip');
    writeFileSync(file, fakeArchive('2.11.0+cpu'));
    const ran = await command('install-libtorch.ts', ['--from', file], { TORCHDET_CACHE: cache });
    assert.equal(ran.code, 0, ran.stderr);
    const place = join(cache, 'libtorch/2.11.0-cpu/libtorch');
    assert.equal(ran.stdout, `LibTorch 2.11.0+cpu (cpu) is ready in ${place}\n`);
    assert.match(ran.stderr, /Unpacking .*libtorch\.zip/);
  });

  it('ends with 2 for a wrong option and 1 for a failure', async () => {
    const env = { TORCHDET_CACHE: folder() };
    const wrong = await command('install-libtorch.ts', ['--flavour', 'gpu'], env);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /"flavour" must be "cpu"/);
    const failed = await command('install-libtorch.ts', ['--from', folder()], env);
    assert.equal(failed.code, 1);
    assert.match(failed.stderr, /There is no LibTorch in/);
  });
});

describe('torchdet doctor', () => {
  const folder = temporaryFolders();

  it('prints a report for people or as JSON and ends with 1 where torchdet does not run', async () => {
    const env = { TORCHDET_LIBTORCH: folder(), TORCHDET_CACHE: folder() };
    const shown = await command('doctor.ts', [], env);
    assert.equal(shown.code, 1);
    assert.match(shown.stdout, /✓ Node +\d/);
    assert.match(shown.stdout, /✗ LibTorch .*no LibTorch in that folder/);
    const json = await command('doctor.ts', ['--json'], env);
    assert.equal(json.code, 1);
    const report = JSON.parse(json.stdout) as DoctorReport;
    assert.equal(report.ok, false);
    assert.equal(report.checks.find(({ name }) => name === 'LibTorch')?.status, 'failed');
  });
});

describe('ensureLibtorch', () => {
  const folder = temporaryFolders();
  const ENSURE = JSON.stringify(resolve(__dirname, '../../lib/runtime/ensure.ts'));
  const program = `require(${ENSURE}).ensureLibtorch({ log: console.error }).then(
    ({ root }) => console.log(root), ({ code }) => console.log(code))`;

  it('takes what is there, and installs nothing in place of a folder that was named wrongly', async () => {
    const cache = folder();
    const env = { ...process.env, TORCHDET_CACHE: cache };
    const right = writeFiles(folder(), fakeFiles('2.11.0+cpu'));
    const found = await runProgram(program, { ...env, TORCHDET_LIBTORCH: right });
    assert.equal(found.stdout, `${right}\n`);
    const wrong = await runProgram(program, { ...env, TORCHDET_LIBTORCH: folder() });
    assert.equal(wrong.stdout, 'ERR_LIBTORCH_NOT_FOUND\n');
    assert.deepEqual(readdirSync(cache), []);
  });
});
