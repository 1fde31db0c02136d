import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import { type Failure, launch } from '../distributed/launch';
import { UsageError } from './usage-error';

const examples = `
Examples:
  torchdet launch --nproc 2 -- train --data photos/ --out run/
  torchdet launch --nproc 4 -- my-training.mjs --epochs 3
  torchdet launch --nproc 4 --nnodes 2 --node-rank 1 --master-addr 10.0.0.1 --master-port 29500 -- train ...

Each process gets RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR and MASTER_PORT, which ProcessGroup.join() reads.
Rank 0's output is shown as it is, the others' on stderr, line by line. Where one process fails, all are ended.`;

interface LaunchArguments {
  readonly nproc: number;
  readonly nnodes: number;
  readonly nodeRank: number;
  readonly masterAddr: string;
  readonly masterPort?: number;
}

function whole(min: number, max = Infinity) {
  return (text: string): number => {
    if (/^\d+$/.test(text) && Number(text) >= min && Number(text) <= max) return Number(text);
    const range = max < Infinity ? `from ${min} to ${max}` : `of at least ${min}`;
    throw new InvalidArgumentError(`It must be an integer ${range}.`);
  };
}

/** torchdet's own commands run by torchdet, scripts by node. lib/cli and dist/cli are equally deep. */
function nodeArguments([first = '', ...rest]: readonly string[]): string[] {
  if (/\.[cm]?[jt]s$/.test(first)) {
    if (!existsSync(first)) throw new UsageError(`launch: there is no file ${first}.`);
    return [...process.execArgv, first, ...rest];
  }
  return [...process.execArgv, join(__dirname, '../../bin/torchdet.js'), first, ...rest];
}

function describe({ rank, pid, code, signal }: Failure): string {
  const end = signal ? `was ended by ${signal}` : `failed with exit code ${code}`;
  return `rank ${rank} (process ${pid ?? 'not started'}) ${end}`;
}

/** `torchdet launch`: a training run in several processes. */
export function launchCommand(finish: (code: number) => void): Command {
  return new Command('launch')
    .description('run training in several processes, which share the work of each batch')
    .usage('--nproc <n> [options] -- <command or script> [its arguments]')
    .argument('<command...>', 'a command of torchdet, or a script for node')
    .requiredOption('-n, --nproc <n>', 'processes on this machine', whole(1))
    .option('--nnodes <n>', 'machines of the run', whole(1), 1)
    .option('--node-rank <n>', 'which of the machines this is, from 0', whole(0), 0)
    .option('--master-addr <address>', 'where rank 0 runs', '127.0.0.1')
    .option('--master-port <port>', 'a free port there (default: found)', whole(1, 65535))
    .addHelpText('after', examples)
    .action(async (words: string[], options: LaunchArguments) => {
      const { nproc, nnodes, nodeRank, masterAddr, masterPort } = options;
      if (nodeRank >= nnodes) throw new UsageError('launch: --node-rank must be below --nnodes.');
      if (nnodes > 1 && masterPort === undefined) {
        throw new UsageError('launch: several machines need --master-addr and --master-port.');
      }
      const failures = await launch(process.execPath, nodeArguments(words), {
        processes: nproc,
        machines: nnodes,
        machine: nodeRank,
        masterAddress: masterAddr,
        masterPort,
        grace: 10,
        print: (line) => process.stderr.write(`${line}\n`),
      });
      const [first, ...others] = failures;
      // Ctrl-C has been answered by each of them.
      if (!first || failures.every(({ code }) => code === 130)) {
        finish(first ? 130 : 0);
        return;
      }
      process.stderr.write(`error: ${describe(first)}`);
      process.stderr.write(
        others.length > 0 ? `; then ${others.map(describe).join(', ')}\n` : '\n',
      );
      finish(first.code);
    });
}
