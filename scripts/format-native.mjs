// Checks the layout of the C++ sources, or with --write corrects it.
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const files = execFileSync(
  'find',
  ['native', '-name', '*.cc', '-o', '-name', '*.h', '-o', '-name', '*.c', '-o', '-name', '*.cu'],
  {
    cwd: root,
    encoding: 'utf8',
  },
)
  .trim()
  .split('\n');
const options = process.argv.includes('--write') ? ['-i'] : ['--dry-run', '-Werror'];
const { status } = spawnSync(
  join(root, 'node_modules', '.bin', 'clang-format'),
  [...options, ...files],
  {
    cwd: root,
    stdio: 'inherit',
  },
);
process.exit(status ?? 1);
