import { SingleBar } from 'cli-progress';

/** A stream messages go to; a bar is drawn only on terminals. */
export type MessageStream = NodeJS.WritableStream & { readonly isTTY?: boolean };

/** Work that is over sooner than this shows no bar. */
const delayMs = 1000;

const imagesFormat = '{bar} {value}/{total} images, {eta_formatted} left';

/** Progress over a number of images or other steps, shown on a terminal once it has taken more than a second. */
export class Progress {
  private readonly started = Date.now();
  private bar: SingleBar | undefined;
  private done = 0;

  constructor(
    private readonly stream: MessageStream,
    private readonly total: number,
    /** cli-progress's */
    private readonly format = imagesFormat,
  ) {}

  step(): void {
    this.reach(this.done + 1);
  }

  /** So many steps are done. */
  reach(done: number): void {
    this.done = done;
    if (!this.stream.isTTY || Date.now() - this.started < delayMs) return;
    if (!this.bar) {
      this.bar = new SingleBar({
        format: this.format,
        stream: this.stream,
        hideCursor: true,
        clearOnComplete: true,
        barsize: 30,
        barCompleteChar: '█',
        barIncompleteChar: '░',
        gracefulExit: false,
      });
      this.bar.start(this.total, done);
    }
    this.bar.update(this.done);
  }

  /** Writes a line above the bar. */
  message(line: string): void {
    if (this.bar) this.stream.write('\r\x1b[K');
    this.stream.write(`${line}\n`);
    this.bar?.render();
  }

  stop(): void {
    this.bar?.stop();
  }
}
