/** `torchdet calibrate`: an archive that runs in int8. */
import { Command } from 'commander';
import { decodeEntryImage } from '../data/loader-sample';
import { datasetSplits, openDataset } from '../data/open';
import type { Dataset } from '../data/dataset';
import { planDetector } from './detector-plan';
import { interruptible } from './interruptible';
import { openDetector } from './open-detector';
import { checkOutputFile } from './output-file';
import { wholeFrom } from './parse';
import { Progress, type MessageStream } from './progress';
import { UsageError } from './usage-error';

interface CalibrateOptions {
  readonly data: string;
  readonly out: string;
  readonly split?: string;
  readonly model?: string;
  readonly weights?: string;
  readonly images: number;
  readonly meanSquare?: boolean;
}

const help = `
Examples:
  torchdet calibrate --data photos/ --model run/best.pt --out run/best-int8.pt
  torchdet eval --data photos/ --model run/best-int8.pt --precision int8
  torchdet detect photo.jpg --model run/best-int8.pt --precision int8

The archive holds the same weights and what was measured of them: it runs in float32 as before unless int8 is asked for.`;

/** `count` images of all, evenly spread: data sets are often sorted. */
function* spread(data: Dataset, count: number): Generator<number> {
  for (let i = 0; i < count; i++) yield Math.floor(((i + 0.5) * data.length) / count);
}

async function* imagesOf(data: Dataset, count: number) {
  for (const position of spread(data, count)) yield decodeEntryImage(data.entry(position), {});
}

/** Before anything is measured. */
async function checkOut(out: string): Promise<void> {
  if (/\.safetensors$/i.test(out)) {
    throw new UsageError(
      `--out ${out}: a .safetensors file holds weights alone, and no calibration; name a .pt archive.`,
    );
  }
  await checkOutputFile('--out', out);
}

async function calibrate(
  options: CalibrateOptions,
  stderr: MessageStream,
  signal: AbortSignal,
): Promise<number> {
  const { data: path, split, out, meanSquare = false } = options;
  await checkOut(out);
  const plan = planDetector(options, undefined);
  const splits = split === undefined ? await datasetSplits(path, { signal }) : [];
  const chosen = split ?? (splits.includes('train') ? 'train' : undefined);
  const data = await openDataset(path, { signal, split: chosen });
  const count = Math.min(options.images, data.length);
  if (count === 0) throw new UsageError(`--data ${path}: there are no images in it.`);
  const detector = await openDetector(plan, { device: 'cpu', signal });
  const progress = new Progress(stderr, count);
  try {
    await detector.calibrate(imagesOf(data, count), {
      method: meanSquare ? 'meanSquare' : 'minMax',
      signal,
      onProgress: (done) => {
        progress.reach(done);
      },
    });
    progress.stop();
    await detector.save(out);
    stderr.write(`${count} images measured; ${out} runs with --precision int8\n`);
    return 0;
  } finally {
    progress.stop();
    await detector.dispose();
  }
}

/** `torchdet calibrate`; `finish` receives the exit code. */
export function calibrateCommand(finish: (code: number) => void): Command {
  return new Command('calibrate')
    .description('measure what a detector needs to run in int8')
    .requiredOption('--data <dir|file>', 'images like those that will come: a data set')
    .requiredOption('-o, --out <file.pt>', 'archive to write')
    .option('--split <name>', 'part of the data set; default: train, where there is one, else all')
    .option('-m, --model <name|file>', "a model's name (see torchdet models) or a .pt archive")
    .option('-w, --weights <file|name>', 'a checkpoint of the model, or published weights')
    .option('-n, --images <n>', 'how many images to look at', wholeFrom(1), 64)
    .option('--mean-square', 'let outliers go where that rounds the rest better')
    .addHelpText('after', help)
    .action(async (options: CalibrateOptions) => {
      finish(await interruptible((signal) => calibrate(options, process.stderr, signal)));
    });
}
