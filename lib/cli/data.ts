import { Command, InvalidArgumentError, Option } from 'commander';
import { augmentationNames } from '../data/augment';
import { interruptible } from './interruptible';
import {
  checkData,
  convertData,
  mergeData,
  type CheckCommandOptions,
  type ConvertCommandOptions,
  type DataContext,
  type MergeCommandOptions,
} from './run-data';
import { showData, type ShowCommandOptions } from './show-data';

function parseWhole(least: number) {
  return (text: string): number => {
    const value = Number(text);
    if (text.trim() !== '' && Number.isSafeInteger(value) && value >= least) return value;
    throw new InvalidArgumentError(`It must be a whole number from ${least}.`);
  };
}

function parseTolerance(text: string): number {
  const value = Number(text);
  if (text.trim() !== '' && value >= 0) return value;
  throw new InvalidArgumentError('It must be a number of pixels, 0 or more.');
}

/** A command on a data set with the options that all of them have. */
function dataCommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .argument('<data>', "a data set's folder, a COCO annotation file or a YOLO data.yaml")
    .option('--split <name>', 'train, val, ...; default: all splits')
    .addOption(
      new Option('--format <kind>', 'where a folder holds several').choices([
        ...['coco', 'voc', 'yolo', 'penn-fudan'],
      ]),
    )
    .option(
      '-c, --classes <file|a,b,c>',
      'leave out other classes: names of labels 1, 2, …, one a line or separated by commas',
    )
    .option('--image-dir <folder>', 'where the images are, if not with the annotations')
    .option('--tolerance <pixels>', 'how far a box may go beyond its image', parseTolerance, 1)
    .option('--stop', 'stop at the first problem, rather than leave out what is wrong')
    .option('-j, --json', 'print JSON');
}

const imagesOption = () =>
  new Option('--images <how>', 'what becomes of the images')
    .choices(['copy', 'link', 'none'])
    .default('copy');

const checkHelp = `
Checks annotations, images (all are decoded) and masks, and that no image is in two splits. Problems are told with file
and line. With --json stdout is one object: { format, splits, images, objects, classes, ..., problems: [{ kind, file,
line, image, message }] }.
Exit code: 0; 1 where something is wrong; 2 for wrong usage; 130 after Ctrl-C.

Example: torchdet data check photos/`;

const convertHelp = `
Boxes, classes and splits are kept; what the format cannot hold is counted on stdout, what was wrong and is left out
told on stderr.
Exit code: 0; 1 where something failed; 2 for wrong usage; 130 after Ctrl-C.

Example: torchdet data convert photos/ --to coco --out photos-coco/`;

const mergeHelp = `
Splits are joined by name; sets without splits go to train. Classes are joined by name. An image of a set that does not know
a class says nothing about it: what a detector finds of it there counts as no mistake, in training and in evaluation.
Exit code: 0; 1 where something failed; 2 for wrong usage; 130 after Ctrl-C.

Example: torchdet data merge streets/ pets/ --classes person,dog --out both/`;

const showHelp = `
Exit code: 0; 1 where an image could not be read; 2 for wrong usage; 130 after Ctrl-C.

Examples:
  torchdet data show photos/ --out drawn/                   16 images with their boxes
  torchdet data show photos/ --out drawn/ --augment lsj     as training sees them
  torchdet data show photos/ --out drawn/ --image a.jpg     one that check has told of`;

type Run<Options, Data> = (data: Data, options: Options, context: DataContext) => Promise<number>;

/** `torchdet data`; `finish` receives the exit code. */
export function dataCommands(finish: (code: number) => void): Command {
  const action =
    <Options, Data = string>(run: Run<Options, Data>) =>
    async (path: Data, options: Options): Promise<void> => {
      const { stdout, stderr } = process;
      finish(await interruptible((signal) => run(path, options, { stdout, stderr, signal })));
    };
  const check = dataCommand('check', 'say what is in a data set, and what is wrong with it')
    .option('--no-decode', 'do not decode the images')
    .addHelpText('after', checkHelp)
    .action(action<CheckCommandOptions>(checkData));
  const convert = dataCommand('convert', 'write a data set in another format')
    .addOption(
      new Option('-t, --to <kind>', 'format to write')
        .choices(['coco', 'voc', 'yolo'])
        .makeOptionMandatory(),
    )
    .requiredOption('-o, --out <folder>', 'a new folder')
    .addOption(imagesOption())
    .addHelpText('after', convertHelp)
    .action(action<ConvertCommandOptions>(convertData));
  const show = dataCommand('show', 'draw images with what is marked in them')
    .requiredOption('-o, --out <folder>', 'folder for the pictures')
    .option('-n, --count <n>', 'how many images, chosen at random', parseWhole(1), 16)
    .option('--image <names...>', 'draw these images instead')
    .addOption(
      new Option('-a, --augment <preset>', 'augment them as training does').choices(
        augmentationNames,
      ),
    )
    .option('--seed <n>', 'chooses images and augmentation', parseWhole(0), 0)
    .addHelpText('after', showHelp)
    .action(action<ShowCommandOptions>(showData));
  const merge = new Command('merge')
    .description('write several data sets as one, in the format of COCO')
    .argument('<data...>', 'folders of data sets, COCO annotation files or YOLO data.yamls')
    .requiredOption('-o, --out <folder>', 'a new folder')
    .option(
      '-c, --classes <file|a,b,c>',
      'leave out other classes: names of labels 1, 2, …, one a line or separated by commas',
    )
    .addOption(imagesOption())
    .option('-j, --json', 'print JSON')
    .addHelpText('after', mergeHelp)
    .action(action<MergeCommandOptions, readonly string[]>(mergeData));
  const data = new Command('data').description('check, convert, merge and look at data sets');
  for (const command of [check, convert, merge, show]) data.addCommand(command);
  return data;
}
