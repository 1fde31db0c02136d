import { Command } from 'commander';
import { listModels } from '../models/registry';
import { listWeights, type WeightsEntry } from '../models/weights';
import { plainTable } from './report';

/** What `torchdet models --json` prints for one model. */
export interface ReportedModel {
  readonly name: string;
  readonly description: string;
  readonly parameters: number;
  /** Multiply-adds of one square image, at the size the model resizes it to, in units of 10^9; null where nobody counted them. */
  readonly gigaFlops: number | null;
  /** Published weights of the whole detector; APs are at IoU 0.50:0.95 in percent. */
  readonly weights: readonly {
    readonly name: string;
    readonly aliases: readonly string[];
    readonly boxAp: number | null;
    readonly maskAp: number | null;
    readonly keypointAp: number | null;
    readonly gigaFlops: number;
    readonly dataset: string;
    readonly url: string;
  }[];
}

function reportWeights({ name, aliases, metrics, gigaFlops, dataset, url }: WeightsEntry) {
  const { boxAp = null, maskAp = null, keypointAp = null } = metrics;
  return { name, aliases, boxAp, maskAp, keypointAp, gigaFlops, dataset, url };
}

/** Every model that can be built by name, with the weights published for it. */
export function reportModels(): ReportedModel[] {
  const published = listWeights().filter((entry) => entry.task === 'detection');
  return listModels().map(({ name, description, parameters, gigaFlops }) => {
    const weights = published.filter((entry) => entry.model === name);
    // How many proposals reach the heads depends on the weights a little: the default ones stand for the model.
    const standard = weights.find(({ aliases }) => aliases.includes('DEFAULT'));
    return {
      name,
      description,
      parameters,
      gigaFlops: gigaFlops ?? standard?.gigaFlops ?? null,
      weights: weights.map(reportWeights),
    };
  });
}

const decimal = (value: number | null): string => value?.toFixed(1) ?? '';

/** The table of `torchdet models`: a line for each of a model's weights. */
export function modelsTable(models: readonly ReportedModel[]): string {
  const rows = models.flatMap(({ name, parameters, gigaFlops, description, weights }) => {
    const count = `${(parameters / 1e6).toFixed(1)} M`;
    const model = [name, count];
    if (weights.length === 0) return [[...model, decimal(gigaFlops), '', '', '', description]];
    return weights.map((entry, i) => [
      ...(i === 0 ? model : ['', '']),
      decimal(entry.gigaFlops),
      decimal(entry.boxAp),
      decimal(entry.maskAp ?? entry.keypointAp),
      entry.aliases.join(', '),
      i === 0 ? description : '',
    ]);
  });
  const head = ['model', 'parameters', 'GFLOPs', 'box AP', 'mask/kp AP', 'weights', ''];
  return plainTable(head, rows, [1, 2, 3, 4]);
}

/** `torchdet models` */
export function modelsCommand(): Command {
  return new Command('models')
    .description('list the models that can be built by name, and their published weights')
    .option('-j, --json', 'print JSON instead of a table')
    .addHelpText(
      'after',
      '\nAPs (boxes; masks or keypoints) are at IoU 0.50:0.95 on COCO val2017, as published. GFLOPs count a multiply-add once,' +
        ' for a square image at the size the model resizes it to.',
    )
    .action(({ json }: { json?: boolean }) => {
      const models = reportModels();
      process.stdout.write(json ? `${JSON.stringify(models, null, 2)}\n` : modelsTable(models));
    });
}
