// Fills prebuilds/linux-x64 with the stripped addon and, where they are built (npm run build:cuda), the CUDA operators beside it,
// and prebuilds/loader with its loader. prebuildify builds by calling a node-gyp; ours is prebuild-compile.mjs.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
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

// prebuildify moves what was built. It goes back, since a process may have it loaded, and the package gets a stripped copy:
// prebuildify's own --strip would rewrite the file under that process's feet.
const strip = (from, to) => {
  execFileSync('strip', ['--strip-all', '-o', to, from]);
};
const addon = join(root, 'prebuilds', 'linux-x64', 'torchdet.glibc.node');
const built = join(root, 'build', 'Release', 'torchdet.node');
renameSync(addon, built);
strip(built, addon);

// node-gyp-build ignores names: two addons in one folder would be ambiguous, so the loader has a folder of its own.
const folder = join(root, 'prebuilds', 'loader', 'prebuilds', 'linux-x64');
mkdirSync(folder, { recursive: true });
const loader = join(root, 'build', 'loader', 'build', 'Release', 'torchdet_loader.node');
strip(loader, join(folder, 'torchdet-loader.glibc.node'));

const cuda = 'libtorchdet_cuda.so';
const operators = join(root, 'build', 'Release', cuda);
if (existsSync(operators)) strip(operators, join(root, 'prebuilds', 'linux-x64', cuda));
else console.warn(`A package for the CPU: ${cuda} is not built ("npm run build:cuda" builds it)`);
