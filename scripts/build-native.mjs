// Builds the native addon into build/Release and its loader into build/loader: finds LibTorch, or installs it into the user's
// cache, and runs cmake-js.
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

function has(program) {
  return spawnSync(program, ['--version'], { stdio: 'ignore' }).status === 0;
}

for (const [program, packages] of [
  ['cmake', 'cmake'],
  ['c++', 'g++'],
]) {
  if (has(program)) continue;
  console.error(`Building the addon needs ${program}: apt-get install ${packages}`);
  process.exit(1);
}

// lib/ is TypeScript and may not be compiled yet.
require('tsx/cjs');
const { ensureLibtorch } = require(join(root, 'lib', 'runtime', 'ensure.ts'));
const libtorch = await ensureLibtorch();

const result = spawnSync(
  process.execPath,
  [
    require.resolve('cmake-js/bin/cmake-js'),
    process.argv.includes('--rebuild') ? 'rebuild' : 'compile',
    ...(has('ninja') ? ['--generator', 'Ninja'] : ['--generator', 'Unix Makefiles']),
    '--parallel',
    '2',
    `--CDTORCHDET_LIBTORCH=${libtorch.root}`,
  ],
  { cwd: root, stdio: 'inherit' },
);
process.exit(result.status ?? 1);
