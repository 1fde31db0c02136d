// npm runs this in a checkout (npm ci, npm install, npm pack) and never for a package that is installed from a registry or a
// tarball: those carry dist/ and prebuilds/.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const run = (script) => {
  execFileSync(process.execPath, [join(import.meta.dirname, script)], { stdio: 'inherit' });
};

run('build-ts.mjs');
run('build-native.mjs');
