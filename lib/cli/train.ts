import { Command, Option } from 'commander';
import { augmentationNames } from '../data/augment';
import { interruptible } from './interruptible';
import { deviceName, jsonObject, numberFrom, positive, wholeFrom } from './parse';
import { resumedOptions, train } from './run-train';
import type { TrainOptions } from './train-options';

function numbers(text: string): number[] {
  return text.split(',').map(wholeFrom(0));
}

const help = `
Examples:
  torchdet train --data photos/ --out run/                 fine-tunes the small detector that ships with torchdet
  torchdet train --data photos/ --out run/ --resume        goes on with it after an end of any kind
  torchdet train --data photos/ --out run/ --model fasterrcnn_resnet50_fpn_v2 --weights DEFAULT --epochs 20
  torchdet train --data photos/ --out run/ --backbone mobilenet_v2 --backbone-weights mobilenet_v2.pth --min-size 480
  torchdet train --data photos/ --out more/ --model run/best.pt --lr 0.001     trains a detector further

The data set is COCO, Pascal VOC or YOLO (torchdet data check tells what is wrong with it). Where it has a split called
train, that is trained on; one called val is evaluated on after each epoch, else a tenth of the images is set apart.
In the folder --out: best.pt and last.pt, for torchdet detect --model; report.html; metrics.jsonl; config.json; and
last.state.safetensors, from which --resume goes on exactly. Ctrl-C finishes the step and writes a checkpoint.
Messages go to stderr.
Exit code: 0; 1 where something failed; 2 for wrong usage; 130 after Ctrl-C.`;

function addDataOptions(command: Command): Command {
  return command
    .option('--data <dir|file>', "a data set's folder, a COCO annotation file or a YOLO data.yaml")
    .option('--split <name>', 'part to train on; default: train, where there is one, else all')
    .option('--val <dir|file>', 'another data set for validation')
    .option('--val-split <name>', 'part for validation; default: val, where there is one')
    .option(
      '--val-fraction <0..1>',
      'share set apart where there is none',
      numberFrom(0.001, 0.9),
      0.1,
    )
    .option('--no-val', 'do not evaluate: there will be no best.pt')
    .addOption(
      new Option('--format <kind>', 'where a folder holds several').choices([
        ...['coco', 'voc', 'yolo', 'penn-fudan'],
      ]),
    )
    .option('-c, --classes <file|a,b,c>', 'leave out other classes')
    .option('--image-dir <folder>', 'where the images are, if not with the annotations')
    .option('--skip-bad-images', 'leave out images that cannot be read, rather than stop');
}

function addModelOptions(command: Command): Command {
  return command
    .option(
      '-m, --model <name|file>',
      "a model's name (see torchdet models), a .pt archive, or a description as JSON; default: the small detector that ships with torchdet",
    )
    .option(
      '--backbone <name>',
      'mobilenet_v2, resnet18, …: --model is then fasterRcnn (default), retinaNet, fcos, maskRcnn or keypointRcnn',
    )
    .option(
      '-w, --weights <file|name>',
      'a checkpoint of the model, or published weights (DEFAULT)',
    )
    .option('--backbone-weights <file|name>', 'an image classifier, for the backbone')
    .option('--min-size <pixels>', 'shorter side that images are resized to', wholeFrom(1))
    .option('--max-size <pixels>', 'longer side that they are limited to', wholeFrom(1))
    .option(
      '--trainable-layers <n>',
      'layers of the backbone that train, from its head',
      wholeFrom(0),
    )
    .option('--model-options <json>', "other options of the model's builder", jsonObject)
    .option('--backbone-options <json>', "other options of the backbone's builder", jsonObject);
}

function addTrainingOptions(command: Command): Command {
  return command
    .option('-e, --epochs <n>', 'times that all images are used', wholeFrom(1), 12)
    .option('-b, --batch-size <n>', 'images in a batch, in each process', wholeFrom(1), 4)
    .option('--accumulate <n>', 'batches whose gradients make one step', wholeFrom(1), 1)
    .addOption(
      new Option('--optimizer <name>', 'how steps are made')
        .choices(['sgd', 'adamw'])
        .default('sgd'),
    )
    .option('--lr <rate>', 'learning rate; default: one that suits model and batch', positive)
    .option('--backbone-lr <rate>', "the backbone's; default: the same", numberFrom(0))
    .option('--momentum <0..1>', 'of sgd', numberFrom(0, 1), 0.9)
    .option('--weight-decay <n>', 'default: 5e-4 for sgd, 0.05 for adamw', numberFrom(0))
    .option('--norm-weight-decay <n>', 'that of norm layers; default: the same', numberFrom(0))
    .addOption(
      new Option('--schedule <kind>', 'how the rate goes down')
        .choices(['cosine', 'multistep', 'constant'])
        .default('cosine'),
    )
    .option('--milestones <a,b>', 'multistep: epochs at which it falls', numbers)
    .option('--gamma <n>', 'multistep: to which part', positive, 0.1)
    .option(
      '--warmup <steps>',
      'steps of a linear rise; default: an epoch, at most 1000',
      wholeFrom(0),
    )
    .addOption(
      new Option('-a, --augment <preset>', "default: torchvision's for the model").choices(
        augmentationNames,
      ),
    )
    .option('--seed <n>', 'of first weights, order, augmentation and sampling', wholeFrom(0), 0)
    .option('--ema [decay]', 'evaluate and keep averages of the weights', numberFrom(0, 0.999999))
    .addOption(
      new Option('--amp <type>', 'mixed precision')
        .choices(['off', 'bfloat16', 'float16'])
        .default('off'),
    )
    .option('--clip-norm <n>', 'limit the norm of the gradients; 0: do not', numberFrom(0), 10)
    .option('--patience <n>', 'end after so many evaluations without a better one', wholeFrom(1))
    .option('--eval-every <n>', 'epochs from one evaluation to the next', wholeFrom(1), 1)
    .addOption(
      new Option('--best-by <figure>', 'what the best epoch is chosen by')
        .choices(['ap', 'ap50'])
        .default('ap'),
    );
}

/** `torchdet train`; `finish` receives the exit code. */
export function trainCommand(finish: (code: number) => void): Command {
  const command = new Command('train')
    .description('train a detector on a data set')
    .requiredOption('-o, --out <folder>', "the run's folder")
    .option('--resume', 'go on with the run in --out, with its options unless others are given');
  addTrainingOptions(addModelOptions(addDataOptions(command)))
    .option('--checkpoint-minutes <n>', 'between checkpoints within an epoch', numberFrom(0), 5)
    .option(
      '--cache <MiB>',
      'memory for decoded images, kept for the next epoch',
      numberFrom(0),
      1024,
    )
    .option('--workers <n>', 'images decoded at the same time', wholeFrom(1))
    .option('-d, --device <device>', 'auto, cpu, cuda or cuda:N', deviceName, 'auto');
  return command.addHelpText('after', help).action(async (parsed: TrainOptions) => {
    const { stderr } = process;
    finish(
      await interruptible(async (signal) => {
        const isGiven = (name: string) => command.getOptionValueSource(name) === 'cli';
        const options = parsed.resume ? await resumedOptions(parsed, isGiven) : parsed;
        return train(options, { stderr, signal });
      }),
    );
  });
}
