// Compiles lib/ to dist/ (CommonJS) and writes the ES module entry beside it. The entry re-exports the CommonJS one, so that a
// program that mixes both kinds of import still has one Detector class and one native addon.
import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

rmSync(join(root, 'dist'), { recursive: true, force: true });
execFileSync(process.execPath, [require.resolve('typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
});

const names = Object.keys(require(join(root, 'dist', 'index.js'))).sort();
writeFileSync(
  join(root, 'dist', 'index.mjs'),
  `import torchdet from './index.js';\nexport const {\n${names.map((name) => `  ${name},\n`).join('')}} = torchdet;\n`,
);
writeFileSync(join(root, 'dist', 'index.d.mts'), `export * from './index.js';\n`);
