import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { PHOTO, ROOT, TemporaryFolder } from '../detector/helpers';

const require = createRequire(__filename);

interface Detected {
  readonly detections: readonly { readonly name: string; readonly score: number }[];
}

/** A PATH with node and the shell's tools, and no compiler, make, CMake or Python. */
function barePath(folder: string): string {
  const bin = join(folder, 'bin');
  mkdirSync(bin);
  symlinkSync(process.execPath, join(bin, 'node'));
  for (const tool of ['sh', 'env', 'uname', 'ldd', 'getconf', 'cat', 'ls']) {
    for (const place of ['/bin', '/usr/bin']) {
      try {
        symlinkSync(
          execFileSync('readlink', ['-f', join(place, tool)], { encoding: 'utf8' }).trim(),
          join(bin, tool),
        );
        break;
      } catch (error) {
        if ((error as { code?: string }).code === 'EEXIST') break;
      }
    }
  }
  return bin;
}

/** npm's own script beside the running node, so that it can be started without a PATH that leads to it. */
function npmScript(): string {
  return join(dirname(process.execPath), '..', 'lib', 'node_modules', 'npm', 'bin', 'npm-cli.js');
}

describe('the packed package', function () {
  this.timeout(300_000);
  const folder = new TemporaryFolder();
  const app = join(folder.path, 'app');
  let env: NodeJS.ProcessEnv;
  let npm: string[];

  before(() => {
    execFileSync(process.execPath, [join(ROOT, 'scripts', 'prebuild.mjs')], {
      cwd: ROOT,
      stdio: 'pipe',
    });
    const npmCli = process.env.npm_execpath ?? npmScript();
    npm = [npmCli];
    execFileSync(
      process.execPath,
      [...npm, 'pack', '--ignore-scripts', '--pack-destination', folder.path],
      {
        cwd: ROOT,
        stdio: 'pipe',
      },
    );
    mkdirSync(app);
    writeFileSync(join(app, 'package.json'), '{"private":true}');
    const tarball = readdirSync(folder.path).find((name) => name.endsWith('.tgz'));
    assert.ok(tarball);
    env = {
      PATH: barePath(folder.path),
      HOME: process.env.HOME ?? folder.path,
      TORCHDET_LIBTORCH: findLibtorch().root,
    };
    execFileSync(
      process.execPath,
      [
        ...npm,
        'install',
        '--ignore-scripts',
        '--prefer-offline',
        '--no-audit',
        '--no-fund',
        join(folder.path, tarball),
      ],
      { cwd: app, env, stdio: 'pipe' },
    );
    copyFileSync(PHOTO, join(app, 'photo.jpg'));
  });

  after(() => {
    folder[Symbol.dispose]();
  });

  it('holds the prebuild, the compiled library and types, and no LibTorch', () => {
    const root = join(app, 'node_modules', 'torchdet');
    const files = readdirSync(root, { recursive: true, encoding: 'utf8' });
    for (const wanted of [
      'prebuilds/linux-x64/torchdet.glibc.node',
      'prebuilds/loader/prebuilds/linux-x64/torchdet-loader.glibc.node',
      'dist/index.js',
      'dist/index.mjs',
      'dist/index.d.ts',
      'dist/index.d.mts',
      'binding.d.ts',
      'LICENSE',
    ]) {
      assert.ok(files.includes(wanted), `${wanted} is missing`);
    }
    assert.deepEqual(
      files.filter((name) => /libtorch|libc10/.test(name) && name.includes('.so')),
      [],
    );
    const manifest = require(join(root, 'package.json')) as { scripts: Record<string, string> };
    for (const hook of ['preinstall', 'install', 'postinstall']) {
      assert.equal(manifest.scripts[hook], undefined, `${hook} would run on the user's machine`);
    }
  });

  it('detects by its command, without a compiler on PATH and without scripts', () => {
    const command = join(app, 'node_modules', '.bin', 'torchdet');
    const stdout = execFileSync(process.execPath, [command, 'detect', 'photo.jpg', '--json'], {
      cwd: app,
      env: { ...env, PREBUILDS_ONLY: '1' },
      encoding: 'utf8',
    });
    const [photo] = JSON.parse(stdout) as Detected[];
    const best = photo?.detections[0];
    assert.equal(best?.name, 'person');
    assert.ok(best.score > 0.5, stdout);
  });

  it('is the same library by import and by require', () => {
    writeFileSync(
      join(app, 'both.mjs'),
      `import { createRequire } from 'node:module';
       import { Detector, TorchdetError, fasterRcnn } from 'torchdet';
       const required = createRequire(import.meta.url)('torchdet');
       console.log(Detector === required.Detector, TorchdetError === required.TorchdetError, typeof fasterRcnn);`,
    );
    const stdout = execFileSync(process.execPath, ['both.mjs'], {
      cwd: app,
      env,
      encoding: 'utf8',
    });
    assert.equal(stdout.trim(), 'true true function');
  });

  it('has types for both kinds of import', () => {
    const source = `
      import { Detector, fasterRcnn, resnetFpn, type DetectionResult } from 'torchdet';
      async function main(): Promise<number> {
        const spec = fasterRcnn({ backbone: resnetFpn('resnet18'), numClasses: 2 });
        await using detector = await Detector.create(spec, { device: 'auto' });
        const results: DetectionResult[] = await detector.predict([new Uint8Array()], { scoreThreshold: 0.5 });
        const boxes: Float32Array = results[0]!.boxes;
        // @ts-expect-error: an unknown option is a type error
        await detector.predict([], { scoreTreshold: 0.5 });
        return boxes.length;
      }
      void main();`;
    writeFileSync(join(app, 'module.mts'), source);
    writeFileSync(join(app, 'common.cts'), source);
    writeFileSync(
      join(app, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: {
          strict: true,
          noEmit: true,
          module: 'node16',
          target: 'es2022',
          lib: ['es2022', 'esnext.disposable', 'dom'],
          types: [],
        },
        files: ['module.mts', 'common.cts'],
      }),
    );
    const tsc = require.resolve('typescript/bin/tsc');
    // The library's own declarations use Node's types.
    mkdirSync(join(app, 'node_modules', '@types'), { recursive: true });
    for (const [name, target] of [
      ['@types/node', '@types/node'],
      ['undici-types', 'undici-types'],
    ] as const) {
      symlinkSync(join(ROOT, 'node_modules', target), join(app, 'node_modules', name));
    }
    execFileSync(process.execPath, [tsc, '-p', '.', '--types', 'node'], {
      cwd: app,
      encoding: 'utf8',
    });
  });

  it('passes publint', async () => {
    const { publint } = await import('publint');
    const { messages } = await publint({
      pkgDir: join(app, 'node_modules', 'torchdet'),
      pack: false,
    });
    assert.deepEqual(
      messages.filter(({ type }) => type !== 'suggestion'),
      [],
    );
  });

  it('names the command to run where LibTorch is not found', () => {
    const script = `require('torchdet').Detector.default().catch((e) => console.log(e.code, e.message))`;
    const stdout = execFileSync(process.execPath, ['-e', script], {
      cwd: app,
      env: { PATH: env.PATH, HOME: folder.path, TORCHDET_CACHE: join(folder.path, 'empty') },
      encoding: 'utf8',
    });
    assert.match(stdout, /ERR_LIBTORCH_NOT_FOUND/);
    assert.match(stdout, /npx torchdet install-libtorch/);
  });
});
