import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, resolve } from 'node:path';
import { type InstallProgress, installLibtorch } from '../../lib/runtime/install';
import { findLibtorch } from '../../lib/runtime/libtorch';
import {
  fakeArchive,
  fakeFiles,
  runProgram,
  sha256,
  temporaryFolders,
  withServer,
  writeFiles,
  zipOf,
} from './helpers';

const RIGHT = fakeArchive('2.11.0+cpu');

describe('installLibtorch', () => {
  const folder = temporaryFolders();

  /** What may be in the cache after an attempt: nothing but whole installations (and the folder of downloads). */
  function remains(cacheDir: string): string[] {
    return readdirSync(join(cacheDir, 'libtorch')).filter((name) => name !== 'downloads');
  }

  function archiveIn(bytes: Buffer): string {
    const file = join(folder(), 'libtorch.zip');
    writeFileSync(file, bytes);
    return file;
  }

  it('installs from a zip file where findLibtorch finds it', async () => {
    const cacheDir = folder();
    const stages = new Set<string>();
    const installed = await installLibtorch({
      from: archiveIn(RIGHT),
      sha256: sha256(RIGHT).toUpperCase(),
      cacheDir,
      onProgress: ({ stage }: InstallProgress) => stages.add(stage),
    });
    assert.equal(installed.root, join(cacheDir, 'libtorch/2.11.0-cpu/libtorch'));
    assert.deepEqual([installed.version, installed.flavour], ['2.11.0+cpu', 'cpu']);
    assert.deepEqual(findLibtorch({ env: {}, cacheDir }), installed);
    assert.equal(readFileSync(join(installed.libDir, 'libc10.so'), 'utf8'), 'not a library');
    assert.deepEqual([...stages], ['unpack']);
    assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
  });

  it('uses a folder where it stands and names it by what it is', async () => {
    const cacheDir = folder();
    const given = folder();
    writeFiles(join(given, 'torch'), fakeFiles('2.11.0+cu130'));
    const installed = await installLibtorch({ from: given, cacheDir });
    assert.equal(installed.root, join(given, 'torch'));
    assert.equal(installed.flavour, 'cu130');
    assert.ok(lstatSync(join(cacheDir, 'libtorch/2.11.0-cu130')).isSymbolicLink());
    assert.equal(findLibtorch({ env: {}, cacheDir }).root, join(given, 'torch'));
  });

  it('keeps what is there unless forced, and never touches the folder behind a link', async () => {
    const cacheDir = folder();
    const given = writeFiles(folder(), fakeFiles('2.11.0+cpu'));
    await installLibtorch({ from: given, cacheDir });
    const lines: string[] = [];
    const log = (line: string) => lines.push(line);
    const kept = await installLibtorch({ from: archiveIn(RIGHT), cacheDir, log });
    assert.equal(kept.root, given);
    assert.match(lines.join('\n'), /already/);
    const replaced = await installLibtorch({ from: archiveIn(RIGHT), cacheDir, force: true });
    assert.equal(replaced.root, join(cacheDir, 'libtorch/2.11.0-cpu/libtorch'));
    assert.ok(existsSync(join(given, 'lib/libtorch_cpu.so')));
    assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
  });

  it('never replaces an installation by itself', async () => {
    const cacheDir = folder();
    const first = await installLibtorch({ from: archiveIn(RIGHT), cacheDir });
    const target = join(cacheDir, 'libtorch/2.11.0-cpu');
    const linked = join(folder(), 'link');
    symlinkSync(target, linked);
    for (const from of [target, first.root, linked]) {
      // Another flavour asked for: what is there is not looked at before.
      for (const options of [{ force: true }, { flavour: 'cu130' }]) {
        const lines: string[] = [];
        const log = (line: string) => lines.push(line);
        const kept = await installLibtorch({ from, cacheDir, log, ...options });
        assert.deepEqual(kept, first);
        assert.match(lines.join('\n'), /already in .*2\.11\.0-cpu/);
        assert.ok(lstatSync(target).isDirectory() && existsSync(join(first.libDir, 'libc10.so')));
      }
    }
    const inside = join(target, 'another/place');
    writeFiles(inside, fakeFiles('2.11.0+cpu'));
    rmSync(first.root, { recursive: true });
    await assert.rejects(installLibtorch({ from: inside, cacheDir, force: true }), {
      code: 'ERR_LIBTORCH_INSTALL',
      message: /another\/place lies in .*2\.11\.0-cpu, which an installation replaces/,
    });
    assert.ok(existsSync(join(inside, 'lib/libc10.so')));
    assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
  });

  it('replaces a link that leads nowhere, or to itself', async () => {
    for (const to of ['gone', '2.11.0-cpu']) {
      const cacheDir = folder();
      mkdirSync(join(cacheDir, 'libtorch'));
      symlinkSync(to, join(cacheDir, 'libtorch/2.11.0-cpu'));
      await installLibtorch({ from: archiveIn(RIGHT), cacheDir });
      assert.equal(findLibtorch({ env: {}, cacheDir }).version, '2.11.0+cpu');
      assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
    }
  });

  it('replaces a broken installation and clears what an interrupted one left', async () => {
    const cacheDir = folder();
    mkdirSync(join(cacheDir, 'libtorch/2.11.0-cpu/lib'), { recursive: true });
    mkdirSync(join(cacheDir, 'libtorch/2.11.0-cpu.tmp-999/lib'), { recursive: true });
    await installLibtorch({ from: archiveIn(RIGHT), cacheDir });
    assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
    assert.equal(findLibtorch({ env: {}, cacheDir }).version, '2.11.0+cpu');
  });

  it('leaves nothing of an archive of another version, or of none', async () => {
    const cases: [Buffer, string, RegExp][] = [
      [fakeArchive('2.10.0+cpu'), 'ERR_LIBTORCH_VERSION', /needs LibTorch 2\.11\.0.*2\.10\.0\+cpu/],
      [zipOf([{ name: 'readme', data: 'hello' }]), 'ERR_LIBTORCH_INSTALL', /no LibTorch for Linux/],
      [Buffer.from('<html>Please log in</html>'), 'ERR_LIBTORCH_INSTALL', /not a usable zip file/],
      [RIGHT.subarray(0, RIGHT.length - 60), 'ERR_LIBTORCH_INSTALL', /not a usable zip file/],
    ];
    for (const [bytes, code, message] of cases) {
      const cacheDir = folder();
      await assert.rejects(installLibtorch({ from: archiveIn(bytes), cacheDir }), {
        code,
        message,
      });
      assert.deepEqual(remains(cacheDir), []);
    }
  });

  it('refuses archives that are damaged or lead out of their folder', async () => {
    const inside = { name: 'libtorch/lib/libtorch_cpu.so', data: 'x' };
    const cases = [
      [inside, { name: '../../escaped', data: 'x' }],
      [inside, { name: '/tmp/torchdet-escaped', data: 'x' }],
      [{ ...inside, crc: 1 }],
      [{ name: 'libtorch/lib', data: '../../..', mode: 0o120777 }, inside],
    ];
    for (const entries of cases) {
      const cacheDir = folder();
      await assert.rejects(installLibtorch({ from: archiveIn(zipOf(entries)), cacheDir }), {
        code: 'ERR_LIBTORCH_INSTALL',
        message: /not a usable zip file/,
      });
      assert.deepEqual(remains(cacheDir), []);
      assert.deepEqual(readdirSync(cacheDir), ['libtorch']);
    }
  });

  it('keeps links within a folder and the right to execute', async () => {
    const entries = Object.entries(fakeFiles('2.11.0+cpu', 'archive'));
    const bytes = zipOf([
      ...entries.map(([name, data]) => ({ name, data, mode: 0o100755 })),
      { name: 'lib/libgomp.so.1', data: 'libgomp-1234.so.1', mode: 0o120777 },
      { name: 'lib/libgomp-1234.so.1', data: 'gomp' },
    ]);
    const { libDir } = await installLibtorch({ from: archiveIn(bytes), cacheDir: folder() });
    assert.equal(readFileSync(join(libDir, 'libgomp.so.1'), 'utf8'), 'gomp');
    assert.equal(lstatSync(join(libDir, 'libc10.so')).mode & 0o777, 0o755);
  });

  it('downloads from a URL, resumes a broken connection and checks the hash', async () => {
    const requests: (string | undefined)[] = [];
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      const { range } = request.headers;
      requests.push(range);
      const start = Number(/^bytes=(\d+)-/.exec(range ?? '')?.[1] ?? 0);
      response.setHeader('etag', '"one"');
      response.setHeader('content-length', RIGHT.length - start);
      if (start > 0) {
        const end = String(RIGHT.length - 1);
        response.setHeader(
          'content-range',
          `bytes ${String(start)}-${end}/${String(RIGHT.length)}`,
        );
        response.writeHead(206).end(RIGHT.subarray(start));
        return;
      }
      response.write(RIGHT.subarray(0, 300), () => setTimeout(() => response.destroy(), 50));
    };
    await withServer(listener, async (url) => {
      const cacheDir = folder();
      const from = `${url}/libtorch-shared-with-deps-2.11.0%2Bcpu.zip`;
      const installed = await installLibtorch({ from, sha256: sha256(RIGHT), cacheDir });
      assert.equal(installed.version, '2.11.0+cpu');
      assert.deepEqual(requests, [undefined, 'bytes=300-']);
      assert.deepEqual(readdirSync(join(cacheDir, 'libtorch/downloads')), []);
    });
  });

  it('rejects a download with another hash and a missing one, and says when no hash is known', async () => {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      if (request.url?.endsWith('.zip')) response.end(RIGHT);
      else response.writeHead(404).end();
    };
    await withServer(listener, async (url) => {
      const cacheDir = folder();
      const sha = '0'.repeat(64);
      const wrong = installLibtorch({ from: `${url}/a.zip`, sha256: sha, cacheDir });
      await assert.rejects(wrong, { code: 'ERR_CHECKSUM', message: /expected 0{64}/ });
      await assert.rejects(installLibtorch({ from: `${url}/missing`, cacheDir }), {
        code: 'ERR_DOWNLOAD',
        message: /--from pip/,
      });
      assert.deepEqual(remains(cacheDir), []);
      const lines: string[] = [];
      const log = (line: string) => lines.push(line);
      await installLibtorch({ from: `${url}/a.zip`, cacheDir, log });
      assert.match(lines.join('\n'), /No SHA-256 is known for this file/);
    });
  });

  it('lets one of two processes install while the other waits', async () => {
    let requests = 0;
    const listener = (_request: IncomingMessage, response: ServerResponse) => {
      requests++;
      response.setHeader('content-length', RIGHT.length);
      response.write(RIGHT.subarray(0, 100));
      setTimeout(() => response.end(RIGHT.subarray(100)), 1500);
    };
    await withServer(listener, async (url) => {
      const cacheDir = folder();
      const install = JSON.stringify(resolve(__dirname, '../../lib/runtime/install.ts'));
      const options = JSON.stringify({ from: `${url}/a.zip`, cacheDir });
      const program =
        `require(${install}).installLibtorch({ ...${options}, log: console.error })` +
        '.then(({ root }) => console.log(root), (error) => { console.error(error); process.exit(1); })';
      const outcomes = await Promise.all([runProgram(program), runProgram(program)]);
      for (const { code, stdout, stderr } of outcomes) {
        assert.equal(code, 0, stderr);
        assert.equal(stdout.trim(), join(cacheDir, 'libtorch/2.11.0-cpu/libtorch'));
      }
      assert.match(outcomes.map(({ stderr }) => stderr).join(''), /waiting for it/);
      assert.equal(requests, 1);
      assert.deepEqual(remains(cacheDir), ['2.11.0-cpu']);
    });
  });

  it('stops with the signal’s reason and leaves the part for the next attempt', async () => {
    const listener = (_request: IncomingMessage, response: ServerResponse) => {
      response.setHeader('etag', '"one"');
      response.setHeader('content-length', RIGHT.length);
      response.write(RIGHT.subarray(0, 100));
    };
    await withServer(listener, async (url) => {
      const cacheDir = folder();
      const controller = new AbortController();
      const reason = new Error('enough');
      const onProgress = () => {
        controller.abort(reason);
      };
      const from = `${url}/a.zip`;
      await assert.rejects(
        installLibtorch({ from, cacheDir, onProgress, signal: controller.signal }),
        reason,
      );
      assert.deepEqual(remains(cacheDir), []);
      assert.ok(existsSync(join(cacheDir, 'libtorch/downloads/a.zip.part')));
    });
  });

  it('says what to do where the cache cannot be made', async () => {
    const file = join(folder(), 'a-file');
    writeFileSync(file, '');
    await assert.rejects(
      installLibtorch({ from: archiveIn(RIGHT), cacheDir: join(file, 'cache') }),
      {
        code: 'ERR_LIBTORCH_INSTALL',
        message: /A part of that path is a file: set TORCHDET_CACHE/,
      },
    );
  });

  it('rejects options that do not fit', async () => {
    const cacheDir = folder();
    const cases: [object, string, RegExp][] = [
      [{ from: '/no/such/folder' }, 'ERR_OPTION_VALUE', /"from" must be "auto"/],
      [{ flavour: 'gpu' }, 'ERR_OPTION_VALUE', /"flavour" must be "cpu"/],
      [{ sha256: 'abc' }, 'ERR_OPTION_VALUE', /64 hex digits/],
      [{ flavor: 'cpu' }, 'ERR_OPTION_UNKNOWN', /Did you mean "flavour"/],
    ];
    for (const [options, code, message] of cases) {
      await assert.rejects(installLibtorch({ cacheDir, ...options }), { code, message });
    }
  });
});
