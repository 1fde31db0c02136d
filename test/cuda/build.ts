import { execFile } from 'node:child_process';
import { join } from 'node:path';

export const ROOT = join(__dirname, '..', '..');

/** What scripts/build-cuda.mjs made: the library's path, or why it cannot be made on this machine. */
export type BuildResult = { readonly path: string } | { readonly unavailable: string };

/** Runs scripts/build-cuda.mjs into a folder of the tests' own: a package must not ship what a test built. */
export function buildCuda(...args: readonly string[]): Promise<BuildResult> {
  const script = join(ROOT, 'scripts', 'build-cuda.mjs');
  const out = join(ROOT, 'build', 'cuda');
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [script, '--out', out, ...args],
      { cwd: ROOT, maxBuffer: 1 << 24 },
      (error, stdout, stderr) => {
        if (error === null) resolve({ path: stdout.trim().split('\n').at(-1) ?? '' });
        else if (error.code === 3) resolve({ unavailable: stderr.trim() });
        else reject(new Error(`build-cuda.mjs ${args.join(' ')} failed:\n${stderr}`));
      },
    );
  });
}
