import { fork } from 'node:child_process';
import { createRequire } from 'node:module';
import { extname, join } from 'node:path';

/** What probe-main sends to its parent. */
export type ProbeMessage =
  | { readonly step: string; readonly state: 'begun' }
  | { readonly step: string; readonly state: 'done'; readonly detail: string }
  | { readonly state: 'failed'; readonly detail: string };

export interface ProbeStep {
  readonly name: string;
  readonly ok: boolean;
  /** What was seen, or why it failed. */
  readonly detail: string;
}

/**
 * Loads LibTorch and the addon in a child process and does a small operation there.
 *
 * @param options.timeout in milliseconds; default 120,000: a cold disk takes its time over half a gigabyte
 * @returns the steps taken, in order; the last one is the failed one where one failed
 */
export function probe(
  options: { env?: NodeJS.ProcessEnv; timeout?: number } = {},
): Promise<ProbeStep[]> {
  const { env = process.env, timeout = 120_000 } = options;
  const extension = extname(__filename);
  // From source, the child needs the same TypeScript loader as this process.
  const execArgv =
    extension === '.ts' ? ['--require', createRequire(__filename).resolve('tsx/cjs')] : [];
  return new Promise((resolve) => {
    const child = fork(join(__dirname, `probe-main${extension}`), [], {
      env,
      execArgv,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      timeout,
      killSignal: 'SIGKILL',
    });
    const steps: ProbeStep[] = [];
    let running = 'start of a child process';
    let failure: string | undefined;
    let stderr = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-4000);
    });
    child.on('message', (message: ProbeMessage) => {
      if (message.state === 'begun') running = message.step;
      else if (message.state === 'failed') failure = message.detail;
      else steps.push({ name: message.step, ok: true, detail: message.detail });
    });
    child.on('error', (error) => {
      failure ??= error.message;
    });
    child.on('close', (code, signal) => {
      if (failure === undefined && (code !== 0 || signal !== null)) {
        const how =
          signal === null ? `ended with status ${String(code)}` : `was ended by ${signal}`;
        failure = `the process ${how}${stderr.trim() ? `: ${stderr.trim()}` : ''}`;
      }
      if (failure !== undefined) steps.push({ name: running, ok: false, detail: failure });
      resolve(steps);
    });
  });
}
