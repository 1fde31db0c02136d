// How run.mjs and its workers talk: a worker runs its job once and prints {"ready": true}; it answers each line "trial" with
// {"ms"} and "result" with the last result.
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

/** One long-lived worker, seen from run.mjs. */
export class Worker {
  #child;
  #lines;
  #stderr = '';

  /** Starts it and waits for its first result. */
  static async start(command, args, env) {
    const worker = new Worker();
    const began = performance.now();
    worker.#child = spawn(command, args, { env, stdio: ['pipe', 'pipe', 'pipe'] });
    worker.#child.stderr.on('data', (data) => (worker.#stderr += data));
    worker.#lines = createInterface({ input: worker.#child.stdout })[Symbol.asyncIterator]();
    const { version } = await worker.#read();
    worker.version = version;
    worker.startSeconds = (performance.now() - began) / 1000;
    return worker;
  }

  async #read() {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended:\n${this.#stderr}`);
    return JSON.parse(value);
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

  stop() {
    this.#child.stdin.end();
  }
}
