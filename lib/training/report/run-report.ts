/** The report of a run, from the files in its folder. */
import type { MetricsRecord } from '../records';
import { parseJsonLines, readIfThere, type RunFolder } from '../run-folder';
import type { EvaluationDetails } from './details';
import { renderReport } from './page';

/** What of config.json the report reads. */
interface RunConfig {
  readonly model?: { readonly name?: string; readonly categories?: readonly string[] };
  readonly training?: {
    readonly data?: { readonly path?: string; readonly images?: number } | null;
    readonly val?: { readonly path?: string; readonly images?: number } | null;
    readonly batchSize?: number;
    readonly optimizer?: { readonly kind?: string; readonly lr?: number };
  };
}

function factsOf({ model, training }: RunConfig): Record<string, string> {
  const facts: Record<string, string | undefined> = {
    model: model?.name,
    classes: model?.categories?.slice(1).join(', '),
    data: training?.data?.path,
    'images to train on': training?.data?.images?.toString(),
    'for validation': training?.val?.images?.toString(),
    'batch size': training?.batchSize?.toString(),
    optimizer: training?.optimizer?.kind,
    'learning rate': training?.optimizer?.lr?.toString(),
  };
  const entries = Object.entries(facts).filter(([, value]) => value !== undefined);
  return Object.fromEntries(entries) as Record<string, string>;
}

/**
 * The page of a run as it stands.
 *
 * @throws TorchdetError ERR_FILE
 */
export async function reportOfRun(folder: RunFolder): Promise<string> {
  const [config, metrics, evaluation] = await Promise.all([
    readIfThere(folder.file('config')),
    readIfThere(folder.file('metrics')),
    readIfThere(folder.file('evaluation')),
  ]);
  const parsed = JSON.parse(config ?? '{}') as RunConfig;
  return renderReport({
    title: `Training of ${parsed.model?.name ?? 'a detector'}`,
    facts: factsOf(parsed),
    metrics: parseJsonLines(metrics ?? '') as MetricsRecord[],
    ...(evaluation !== undefined && { evaluation: JSON.parse(evaluation) as EvaluationDetails }),
    config: parsed,
  });
}
