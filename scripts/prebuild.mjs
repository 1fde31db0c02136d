// Fills prebuilds/linux-x64 with the stripped addon and prebuilds/loader with its loader. prebuildify builds by calling a
// node-gyp; ours is prebuild-compile.mjs.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const require = createRequire(import.meta.url);

rmSync(join(root, 'prebuilds'), { recursive: true, force: true });
execFileSync(
  process.execPath,
  [require.resolve('prebuildify/bin'), '--napi', '--tag-libc', '--name', 'torchdet'],
  {
    cwd: root,
    stdio: 'inherit',
    env: {
      ...process.env,
      PREBUILD_SHELL: 'sh',
      PREBUILD_NODE_GYP: `"${process.execPath}" "${join(import.meta.dirname, 'prebuild-compile.mjs')}"`,
    },
  },
);

// node-gyp-build ignores names: two addons in one folder would be ambiguous, so the loader has a folder of its own.
const folder = join(root, 'prebuilds', 'loader', 'prebuilds', 'linux-x64');
mkdirSync(folder, { recursive: true });
const loader = join(folder, 'torchdet-loader.glibc.node');
copyFileSync(join(root, 'build', 'loader', 'build', 'Release', 'torchdet_loader.node'), loader);

// prebuildify's own --strip would rewrite the file in build/, under the feet of a process that has it loaded.
const addon = join(root, 'prebuilds', 'linux-x64', 'torchdet.glibc.node');
for (const file of [addon, loader]) execFileSync('strip', ['--strip-all', file]);
