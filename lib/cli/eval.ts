import { Command, Option } from 'commander';
import { interruptible } from './interruptible';
import { deviceName, numberFrom, precisionName } from './parse';
import { evaluate, type EvalOptions } from './run-eval';

const help = `
Examples:
  torchdet eval --data photos/ --model run/best.pt
  torchdet eval --data photos/ --split test --model run/best.pt --report eval.html
  torchdet eval --data coco/ --model fasterrcnn_resnet50_fpn --json > figures.json

Figures are COCO's, as pycocotools computes them, for boxes, and for masks and keypoints where model and data set have
them. Classes are matched by name. With --json stdout is one object: { images, bbox: { figures, classes }, confusion }.
Exit code: 0; 1 where something failed; 2 for wrong usage; 130 after Ctrl-C.`;

/** `torchdet eval`; `finish` receives the exit code. */
export function evalCommand(finish: (code: number) => void): Command {
  return new Command('eval')
    .description('measure how well a detector does on a data set')
    .requiredOption(
      '--data <dir|file>',
      "a data set's folder, a COCO annotation file or a YOLO data.yaml",
    )
    .option('--split <name>', 'part to evaluate on; default: val, where there is one, else all')
    .addOption(
      new Option('--format <kind>', 'where a folder holds several').choices([
        ...['coco', 'voc', 'yolo', 'penn-fudan'],
      ]),
    )
    .option('--image-dir <folder>', 'where the images are, if not with the annotations')
    .option('-m, --model <name|file>', "a model's name (see torchdet models) or a .pt archive")
    .option('-w, --weights <file|name>', 'a checkpoint of the model, or published weights')
    .option('-c, --classes <file|a,b,c>', "names of the detector's labels 1, 2, …")
    .option(
      '-s, --score <0..1>',
      'for precision, recall and confusion: leave out lower scores',
      numberFrom(0, 1),
      0.5,
    )
    .option('--exact', 'run the network op by op, for comparisons with torchvision')
    .option(
      '--precision <name>',
      'float32, bfloat16, float16 (on a GPU), or int8 for an archive that torchdet calibrate wrote',
      precisionName,
      'float32',
    )
    .option('--report <file.html>', 'write a page with curves, confusion and the worst images')
    .option('-j, --json', 'print JSON instead of tables')
    .option('-d, --device <device>', 'auto, cpu, cuda or cuda:N', deviceName, 'auto')
    .addHelpText('after', help)
    .action(async (options: EvalOptions) => {
      const { stdout, stderr } = process;
      finish(await interruptible((signal) => evaluate(options, { stdout, stderr, signal })));
    });
}
