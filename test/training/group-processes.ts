/** Starts group-worker.ts several times, on loopback. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { once } from 'node:events';
import { freePort } from '../../lib/distributed/launch';

/** How a process ended. */
export interface Ended {
  readonly rank: number;
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  /** When, in milliseconds. */
  readonly at: number;
  /** What it told, line by line. */
  readonly told: readonly Record<string, unknown>[];
  /** What it failed with. */
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly stderr: string;
}

async function ending(child: ChildProcess, rank: number, folder: string): Promise<Ended> {
  const errors: Buffer[] = [];
  child.stderr?.on('data', (chunk: Buffer) => errors.push(chunk));
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  const stderr = Buffer.concat(errors).toString();
  const line = stderr.split('\n').find((text) => text.startsWith('{'));
  const file = join(folder, `${rank}.jsonl`);
  const text = existsSync(file) ? readFileSync(file, 'utf8').trim() : '';
  return {
    rank,
    code,
    signal,
    at: performance.now(),
    told: text.split('\n').flatMap((json) => (json ? [JSON.parse(json) as never] : [])),
    error: line === undefined ? undefined : (JSON.parse(line) as Ended['error']),
    stderr,
  };
}

/** Environment of a process, over RANK and the like. */
type Variables = Readonly<Record<string, string>>;

/** Runs the scenario in as many processes as `ranks` names, and waits for all. */
export async function runGroup(
  scenario: string,
  folder: string,
  ranks: readonly number[] = [0, 1],
  env: Variables = {},
): Promise<Ended[]> {
  const port = await freePort();
  const worker = join(__dirname, 'group-worker.ts');
  return Promise.all(
    ranks.map((rank) => {
      const place = {
        RANK: String(rank),
        WORLD_SIZE: String(ranks.length),
        MASTER_ADDR: '127.0.0.1',
        MASTER_PORT: String(port),
      };
      const child = spawn(process.execPath, ['-r', 'tsx/cjs', worker, scenario, folder], {
        env: { ...process.env, ...place, ...env },
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      return ending(child, rank, folder);
    }),
  );
}
