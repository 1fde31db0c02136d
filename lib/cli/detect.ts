import { Command, InvalidArgumentError } from 'commander';
import { defaultMaxPixels } from '../images/decode';
import { interruptible } from './interruptible';
import { openDetector } from './open-detector';
import { precisionName } from './parse';
import { detect, type DetectOptions } from './run-detect';

function parseScore(text: string): number {
  const score = Number(text);
  if (text.trim() !== '' && score >= 0 && score <= 1) return score;
  throw new InvalidArgumentError('It must be a number from 0 to 1.');
}

function parseDevice(text: string): string {
  if (/^(auto|cpu|cuda(:\d+)?)$/.test(text)) return text;
  throw new InvalidArgumentError('It must be auto, cpu, cuda or cuda:N.');
}

function parsePixels(text: string): number {
  const pixels = Number(text);
  if (Number.isInteger(pixels) && pixels > 0) return pixels;
  throw new InvalidArgumentError('It must be a positive integer.');
}

const examples = `
Examples:
  torchdet detect photo.jpg                                people, cars, cats, …, with the detector that ships with torchdet
  torchdet detect photos/ --out drawn/                     every image of a folder, drawn with its boxes
  torchdet detect 'photos/**/*.jpg' --json > found.json    folders inside folders, for another program
  torchdet detect photo.jpg --model fasterrcnn_resnet50_fpn --device cuda
  torchdet detect photo.jpg --model fasterrcnn_resnet50_fpn --weights mine.pth --classes cat,dog
  torchdet detect photo.jpg --model scripted-by-python.pt

Results go to stdout, everything else to stderr. With --json stdout is one array with an entry for each image that
could be read: { image, width, height, detections: [{ box: [x1, y1, x2, y2], label, name, score }] }, boxes in
pixels of the upright image; with masks also segmentation (COCO's RLE), with keypoints keypoints: [x, y, visible, ...].
Images that could not are reported on stderr alone.
Exit code: 0; 1 where an input failed (the others are still processed); 2 for wrong usage; 130 after Ctrl-C.`;

/** `torchdet detect`; `finish` receives the exit code. */
export function detectCommand(finish: (code: number) => void): Command {
  return new Command('detect')
    .description('find objects in images')
    .argument('<images...>', 'files, folders and glob patterns: JPEG, PNG, WebP, GIF, TIFF, AVIF')
    .option(
      '-m, --model <name|file>',
      "a model's name (see torchdet models) or a TorchScript archive",
    )
    .option(
      '-w, --weights <file|name>',
      'a checkpoint of the model, or the name of published weights',
    )
    .option(
      '-c, --classes <file|a,b,c>',
      'names of labels 1, 2, …: one a line, or separated by commas',
    )
    .option('-s, --score <0..1>', 'leave out detections with a lower score', parseScore, 0.5)
    .option('-d, --device <device>', 'auto, cpu, cuda or cuda:N', parseDevice, 'auto')
    .option(
      '--precision <name>',
      'float32, bfloat16, float16 (on a GPU), or int8 for an archive that torchdet calibrate wrote',
      precisionName,
      'float32',
    )
    .option('-j, --json', 'print JSON instead of a table')
    .option('-o, --out <folder>', 'write the images with boxes and names drawn on them')
    .option('--max-pixels <n>', 'refuse larger images', parsePixels, defaultMaxPixels)
    .addHelpText('after', examples)
    .action(async (images: string[], options: DetectOptions) => {
      const { stdout, stderr } = process;
      finish(
        await interruptible((signal) =>
          detect(images, options, { stdout, stderr, signal, open: openDetector }),
        ),
      );
    });
}
