// How the benchmarks and their workers talk: a worker runs its job once and prints {"ready": true}; it answers each line "trial"
// with {"ms"} and "result" with the last result.
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const say = (message) => process.stdout.write(`${JSON.stringify(message)}\n`);

/** The worker's side, in JavaScript. */
export async function serve(job, version) {
  let result = await job();
  say({ ready: true, version });
  for await (const line of createInterface({ input: process.stdin })) {
    if (line === 'result') {
      say(result);
      continue;
    }
    const start = performance.now();
    result = await job();
    say({ ms: performance.now() - start });
  }
}

/** Longest reason that tables list. */
const REASON = 400;

/** What an error's report says is wrong: the message at the end of a Python traceback, the one before the stack of Node's. */
function reasonIn(stderr) {
  const lines = stderr.split('\n').map((line) => line.trim());
  const error = /^(?:[\w.]*(?:Error|Exception)\b|terminate called|what\(\))/;
  const first = lines.findLastIndex((line) => error.test(line));
  if (first < 0) return lines.filter(Boolean).at(-1);
  const rest = lines.slice(first);
  const end = rest.findIndex((line) => line.startsWith('at '));
  const message = rest
    .slice(0, end < 0 ? undefined : end)
    .join(' ')
    .trim();
  return message.length > REASON ? `${message.slice(0, REASON)}…` : message;
}

/** One long-lived worker, seen from outside. */
export class Worker {
  #child;
  #lines;
  #ended;
  #stderr = '';

  /** Starts it and waits for its first result. */
  static async start(command, args, env) {
    const worker = new Worker();
    const began = performance.now();
    const child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    worker.#child = child;
    worker.#ended = new Promise((resolve) => {
      child.on('error', (error) => resolve(error.message));
      child.on('close', (code, signal) => resolve(signal ?? `exit code ${code}`));
    });
    // A worker that is gone is noticed where its answer is missing.
    child.stdin.on('error', () => undefined);
    child.stderr.on('data', (data) => (worker.#stderr += data));
    worker.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { version } = await worker.#read();
    worker.version = version;
    worker.startSeconds = (performance.now() - began) / 1000;
    return worker;
  }

  async #read() {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) {
        const end = await this.#ended;
        const error = new Error(
          `${this.#child.spawnargs.join(' ')} ended:\n${this.#stderr || end}`,
        );
        error.reason = reasonIn(this.#stderr) ?? end;
        throw error;
      }
      // Libraries print, too.
      if (value.startsWith('{')) return JSON.parse(value);
    }
  }

  async ask(question) {
    this.#child.stdin.write(`${question}\n`);
    return this.#read();
  }

  /** Peak of resident memory so far. */
  peakMebibytes() {
    return this.#mebibytes('VmHWM');
  }

  /** Resident memory now. */
  residentMebibytes() {
    return this.#mebibytes('VmRSS');
  }

  #mebibytes(field) {
    const status = readFileSync(`/proc/${this.#child.pid}/status`, 'utf8');
    return Number(new RegExp(`${field}:\\s+(\\d+)`).exec(status)?.[1] ?? NaN) / 1024;
  }

  /** Lets it end; resolves when it has. */
  async stop() {
    this.#child.stdin.end();
    await this.#ended;
  }
}
