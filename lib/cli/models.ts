import { Command } from 'commander';
import { listModels } from '../models/registry';
import { listWeights, type WeightsEntry } from '../models/weights';
import { plainTable } from './report';

/** What `torchdet models --json` prints for one model. */
export interface ReportedModel {
  readonly name: string;
  readonly description: string;
  readonly parameters: number;
  /** Published weights of the whole detector; boxAp is AP at IoU 0.50:0.95 in percent. */
  readonly weights: readonly {
    readonly name: string;
    readonly aliases: readonly string[];
    readonly boxAp: number | null;
    readonly dataset: string;
    readonly url: string;
  }[];
}

function reportWeights({ name, aliases, metrics, dataset, url }: WeightsEntry) {
  return { name, aliases, boxAp: metrics.boxAp ?? null, dataset, url };
}

/** Every model that can be built by name, with the weights published for it. */
export function reportModels(): ReportedModel[] {
  const published = listWeights().filter((entry) => entry.task === 'detection');
  return listModels().map(({ name, description, parameters }) => ({
    name,
    description,
    parameters,
    weights: published.filter((entry) => entry.model === name).map(reportWeights),
  }));
}

/** The table of `torchdet models`: a line for each of a model's weights. */
export function modelsTable(models: readonly ReportedModel[]): string {
  const rows = models.flatMap(({ name, parameters, description, weights }) => {
    const count = `${(parameters / 1e6).toFixed(1)} M`;
    if (weights.length === 0) return [[name, count, '', '', description]];
    return weights.map((entry, i) => {
      const ap = entry.boxAp?.toFixed(1) ?? '';
      const alias = entry.aliases.join(', ');
      return i === 0 ? [name, count, ap, alias, description] : ['', '', ap, alias, ''];
    });
  });
  return plainTable(['model', 'parameters', 'box AP', 'weights', ''], rows, [1, 2]);
}

/** `torchdet models` */
export function modelsCommand(): Command {
  return new Command('models')
    .description('list the models that can be built by name, and their published weights')
    .option('-j, --json', 'print JSON instead of a table')
    .addHelpText('after', '\nBox AP is at IoU 0.50:0.95 on COCO val2017, as published.')
    .action(({ json }: { json?: boolean }) => {
      const models = reportModels();
      process.stdout.write(json ? `${JSON.stringify(models, null, 2)}\n` : modelsTable(models));
    });
}
