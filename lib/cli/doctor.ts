import { Command } from 'commander';
import { type Check, examine } from '../runtime/doctor';

const MARKS: Record<Check['status'], string> = { ok: '✓', warning: '!', failed: '✗' };

/** `torchdet doctor`: says whether torchdet runs here, and if not, why and what to do. Exit code 1 where it does not. */
export function doctorCommand(): Command {
  return new Command('doctor')
    .description('check this machine: platform, LibTorch, native addon, CUDA')
    .option('--json', 'print the report as JSON')
    .action(async (options: { json?: boolean }) => {
      const report = await examine();
      if (options.json) console.log(JSON.stringify(report, undefined, 2));
      else console.log(describe(report.checks, report.ok));
      if (!report.ok) process.exitCode = 1;
    });
}

function describe(checks: readonly Check[], ok: boolean): string {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const indent = ' '.repeat(width + 4);
  const lines = checks.map(
    ({ name, status, detail }) =>
      `${MARKS[status]} ${name.padEnd(width)}  ${detail.trim().replaceAll('\n', `\n${indent}`)}`,
  );
  const verdict = ok ? 'torchdet runs on this machine.' : 'torchdet does not run here yet.';
  return [...lines, '', verdict].join('\n');
}
