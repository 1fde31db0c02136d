/** What `torchdet train` shows while it works. */
import { SingleBar } from 'cli-progress';
import { duration, percent, short } from '../training/report/html';
import type { TrainingStep } from '../training/trainer';
import type { MessageStream } from './progress';

/** Between lines where there is no terminal to draw a bar on. */
const lineSeconds = 60;

/** A bar that shows the last step. */
function barOn(stream: MessageStream, format: string, total: number, payload: object): SingleBar {
  const bar = new SingleBar({
    format,
    stream,
    hideCursor: true,
    clearOnComplete: true,
    barsize: 16,
    barCompleteChar: '█',
    barIncompleteChar: '░',
    gracefulExit: false,
    // A line that wraps cannot be drawn over.
    linewrap: false,
  });
  bar.start(total, 0, payload);
  return bar;
}

function stepText({ total, lr, imagesPerSecond, secondsLeft }: TrainingStep): string {
  return `loss ${total.toFixed(3)}  rate ${short(lr, 3)}  ${imagesPerSecond.toFixed(1)} images/s  ${duration(secondsLeft)} left`;
}

/** The figures of an epoch, in percent. */
function figuresText({ evaluation }: TrainingStep): string {
  if (!evaluation) return '';
  const { bbox, segm, keypoints } = evaluation.figures;
  const parts = [
    bbox && `AP50 ${percent(bbox.ap50)}  AP ${percent(bbox.ap)}`,
    segm && `masks AP50 ${percent(segm.ap50)}  AP ${percent(segm.ap)}`,
    keypoints && `keypoints AP50 ${percent(keypoints.ap50)}  AP ${percent(keypoints.ap)}`,
  ].filter((part) => part !== undefined);
  return `  ${parts.join('  ')}${evaluation.best ? '  (best so far)' : ''}`;
}

/** Shows steps and evaluations on a stream: bars on a terminal, else a line now and then. */
export class TrainProgress {
  #bar: SingleBar | undefined;
  #evaluation: SingleBar | undefined;
  #lineAt = performance.now();
  #epochBegan = performance.now();

  constructor(
    private readonly stream: MessageStream,
    private readonly length: { readonly epochs: number; readonly stepsPerEpoch: number },
  ) {}

  step(step: TrainingStep): void {
    const { epochs, stepsPerEpoch } = this.length;
    if (step.epochLoss !== undefined) {
      this.#endEpoch(step, step.epochLoss);
      return;
    }
    const inEpoch = step.step - step.epoch * stepsPerEpoch;
    const title = `epoch ${step.epoch + 1}/${epochs}`;
    const payload = { title, text: stepText(step) };
    if (this.stream.isTTY) {
      this.#bar ??= barOn(
        this.stream,
        '{title} {bar} {value}/{total}  {text}',
        stepsPerEpoch,
        payload,
      );
      this.#bar.update(inEpoch, payload);
    } else if (performance.now() - this.#lineAt >= 1000 * lineSeconds) {
      this.#lineAt = performance.now();
      this.stream.write(`${title}  ${inEpoch}/${stepsPerEpoch}  ${payload.text}\n`);
    }
  }

  readonly onEvaluation = (done: number, total: number): void => {
    if (!this.stream.isTTY) return;
    this.#stopBar();
    this.#evaluation ??= barOn(this.stream, 'evaluating {bar} {value}/{total} images', total, {});
    this.#evaluation.update(done);
  };

  #endEpoch(step: TrainingStep, loss: number): void {
    this.stop();
    const seconds = (performance.now() - this.#epochBegan) / 1000;
    const left = step.secondsLeft > 0 ? `, ${duration(step.secondsLeft)} left` : '';
    this.stream.write(
      `epoch ${step.epoch + 1}/${this.length.epochs}  loss ${loss.toFixed(3)}${figuresText(step)}  ${duration(seconds)}${left}\n`,
    );
    this.#epochBegan = this.#lineAt = performance.now();
  }

  #stopBar(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }

  /** Takes the bars away. */
  stop(): void {
    this.#stopBar();
    this.#evaluation?.stop();
    this.#evaluation = undefined;
  }
}
