/** Starting the processes of a run on this machine, and ending all where one fails. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { constants } from 'node:os';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';

/** How {@link launch} starts processes. */
export interface LaunchOptions {
  /** Processes on this machine. */
  readonly processes: number;
  /** Machines of the run, and which of them this is, from 0. */
  readonly machines: number;
  readonly machine: number;
  /** Where rank 0 is. */
  readonly masterAddress: string;
  /** Default: one that is free here. */
  readonly masterPort?: number | undefined;
  /** Seconds that the others get to end by themselves after one failed, and once more after they were asked to. */
  readonly grace: number;
  /** What all but the machine's first process print goes here, line by line; the first one's output is the launcher's own. */
  readonly print: (line: string) => void;
}

/** How a process ended that did not end well. */
export interface Failure {
  readonly rank: number;
  readonly pid: number | undefined;
  /** Its exit code; 128 and the signal's number where a signal ended it, as in a shell. */
  readonly code: number;
  readonly signal: NodeJS.Signals | null;
}

/** A port of the loopback address that nobody listens at. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string')
    throw new Error('a listening server has a port');
  return address.port;
}

/** Whole lines only: those of several processes would mix. */
function printLines(stream: Readable | null, rank: number, print: (line: string) => void): void {
  if (!stream) return;
  createInterface({ input: stream }).on('line', (line) => {
    print(`[rank ${rank}] ${line}`);
  });
}

async function failureOf(child: ChildProcess, rank: number): Promise<Failure | undefined> {
  // Both are null where it could not be started.
  const [code, signal] = (await once(child, 'close').catch(() => [null, null])) as [
    number | null,
    NodeJS.Signals | null,
  ];
  if (code === 0) return undefined;
  const number = signal ? 128 + constants.signals[signal] : (code ?? 1);
  return { rank, pid: child.pid, code: number, signal };
}

/** After one failed: time to end with a message of their own, then a request, then force. */
function endAll(children: readonly ChildProcess[], grace: number): () => void {
  const signal = (name: NodeJS.Signals) => () => {
    for (const child of children) {
      if (child.exitCode === null && child.signalCode === null) child.kill(name);
    }
  };
  const timers = [
    setTimeout(signal('SIGTERM'), 1000 * grace),
    setTimeout(signal('SIGKILL'), 2000 * grace),
  ];
  return () => {
    timers.forEach(clearTimeout);
  };
}

/** Signals to the launcher are meant for the run. A terminal sends Ctrl-C to all of its processes by itself. */
function forwardSignals(children: readonly ChildProcess[]): () => void {
  const forward = (signal: NodeJS.Signals) => {
    if (signal === 'SIGINT' && process.stdin.isTTY) return;
    for (const child of children) child.kill(signal);
  };
  const names = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of names) process.on(name, forward);
  return () => {
    for (const name of names) process.off(name, forward);
  };
}

/**
 * Runs `command` in several processes, each told its place as `ProcessGroup.join()` reads it: RANK, WORLD_SIZE, LOCAL_RANK,
 * LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT.
 *
 * @returns once all have ended: what failed, in the order of time
 */
export async function launch(
  command: string,
  args: readonly string[],
  options: LaunchOptions,
): Promise<Failure[]> {
  const { processes, machines, machine, masterAddress, print } = options;
  const port = options.masterPort ?? (await freePort());
  const children = Array.from({ length: processes }, (_, local) => {
    const rank = machine * processes + local;
    const output = local === 0 ? 'inherit' : 'pipe';
    const child = spawn(command, args, {
      env: {
        ...process.env,
        RANK: String(rank),
        WORLD_SIZE: String(machines * processes),
        LOCAL_RANK: String(local),
        LOCAL_WORLD_SIZE: String(processes),
        MASTER_ADDR: masterAddress,
        MASTER_PORT: String(port),
      },
      stdio: [local === 0 ? 'inherit' : 'ignore', output, output],
    });
    printLines(child.stdout, rank, print);
    printLines(child.stderr, rank, print);
    return { rank, child };
  });
  const all = children.map(({ child }) => child);
  const stopForwarding = forwardSignals(all);
  const failures: Failure[] = [];
  let cancelEnding: (() => void) | undefined;
  try {
    await Promise.all(
      children.map(async ({ rank, child }) => {
        const failure = await failureOf(child, rank);
        if (!failure) return;
        failures.push(failure);
        cancelEnding ??= endAll(all, options.grace);
      }),
    );
  } finally {
    cancelEnding?.();
    stopForwarding();
  }
  return failures;
}
