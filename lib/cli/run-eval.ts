/** `torchdet eval`: figures of a detector on a data set. */
import { datasetSplits, openDataset } from '../data/open';
import type { DataFormat, Dataset } from '../data/dataset';
import type { Precision } from '../detection/precision';
import type { BoxFigures, KeypointFigures, KindEvaluation } from '../evaluation';
import { evaluateDetector, type DetectorEvaluation } from '../training/evaluate';
import { evaluationDetails } from '../training/report/details';
import { percent } from '../training/report/html';
import { renderReport } from '../training/report/page';
import { writeWhole } from '../training/run-folder';
import { planDetector, readCategories } from './detector-plan';
import { openDetector } from './open-detector';
import { checkOutputFile } from './output-file';
import { Progress, type MessageStream } from './progress';
import { plainTable } from './report';
import { UsageError } from './usage-error';

/** Options of `torchdet eval`, as parsed. */
export interface EvalOptions {
  readonly data: string;
  readonly split?: string;
  readonly format?: DataFormat;
  readonly imageDir?: string;
  readonly model?: string;
  readonly weights?: string;
  readonly classes?: string;
  readonly score: number;
  readonly exact?: boolean;
  readonly precision?: Precision;
  readonly report?: string;
  readonly json?: boolean;
  readonly device: string;
}

/** Where output goes, and what ends the work early. */
export interface EvalContext {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: MessageStream;
  readonly signal?: AbortSignal;
}

/** Opens the part to evaluate on: the one named, else val, else all there is. */
async function openData(
  { data: path, split, format, imageDir }: EvalOptions,
  classes: readonly string[] | undefined,
  signal: AbortSignal | undefined,
): Promise<Dataset> {
  const common = { format, signal };
  const splits = split === undefined ? await datasetSplits(path, common) : [];
  const chosen = split ?? (splits.includes('val') ? 'val' : undefined);
  const data = await openDataset(path, { ...common, imageDir, split: chosen, classes });
  if (data.length === 0) throw new UsageError(`--data ${path}: there are no images in it.`);
  return data;
}

const kindNames = { bbox: 'boxes', segm: 'masks', keypoints: 'keypoints' } as const;

/** A line for all classes, then one for each that has objects. */
function figuresTable(kind: KindEvaluation<BoxFigures | KeypointFigures>): string {
  const row = (name: string, objects: number, figures: BoxFigures | KeypointFigures) => [
    name,
    String(objects),
    ...[figures.ap, figures.ap50, figures.ap75, figures.apMedium, figures.apLarge].map(percent),
  ];
  const there = kind.classes.filter(({ objects }) => objects > 0);
  const all = there.reduce((sum, { objects }) => sum + objects, 0);
  const rows = [
    row('all', all, kind.figures),
    ...there.map((one) => row(one.name, one.objects, one)),
  ];
  const head = [kindNames[kind.kind], 'objects', 'AP', 'AP50', 'AP75', 'AP medium', 'AP large'];
  return plainTable(head, rows, [1, 2, 3, 4, 5, 6]);
}

/** What `--json` prints. */
function asJson({ evaluation, confusion }: DetectorEvaluation): string {
  const { images, bbox, segm, keypoints } = evaluation;
  const found = [bbox, segm, keypoints].filter((kind) => kind !== undefined);
  const kinds = found.map(({ kind, figures, classes }) => [kind, { figures, classes }]);
  const { classes, matrix } = confusion;
  const result = {
    images,
    ...(Object.fromEntries(kinds) as object),
    confusion: { classes, matrix: Array.from(matrix) },
  };
  return `${JSON.stringify(result, null, 2)}\n`;
}

/**
 * Evaluates.
 *
 * @returns the exit code
 * @throws UsageError, TorchdetError; the signal's reason
 */
export async function evaluate(options: EvalOptions, context: EvalContext): Promise<number> {
  const { stdout, stderr, signal } = context;
  const { classes, score, exact = false, device, precision } = options;
  if (options.report !== undefined) await checkOutputFile('--report', options.report);
  const named = classes === undefined ? undefined : readCategories(classes);
  const plan = planDetector(options, named);
  const detector = await openDetector(plan, { device, precision, ...(signal && { signal }) });
  try {
    const data = await openData(options, named ?? detector.categories, signal);
    const found = await withProgress(stderr, data.length, (onProgress) =>
      evaluateDetector(detector, data, { scoreThreshold: score, exact, signal, onProgress }),
    );
    const { bbox, segm, keypoints } = found.evaluation;
    if (options.json) stdout.write(asJson(found));
    else {
      const tables = [bbox, segm, keypoints].flatMap((kind) => (kind ? [figuresTable(kind)] : []));
      const note = `${found.evaluation.images} images; figures in percent\n`;
      stdout.write([note, ...tables].join('\n'));
    }
    if (options.report !== undefined) {
      const facts = {
        model: options.model ?? detector.name,
        data: data.path,
        ...(data.split !== undefined && { split: data.split }),
      };
      const page = renderReport({
        title: `Evaluation of ${detector.name}`,
        facts,
        evaluation: await evaluationDetails(found, data),
      });
      await writeWhole(options.report, page);
    }
    return 0;
  } finally {
    await detector.dispose();
  }
}

async function withProgress<Result>(
  stream: MessageStream,
  total: number,
  work: (onProgress: (done: number) => void) => Promise<Result>,
): Promise<Result> {
  const progress = new Progress(stream, total);
  try {
    return await work((done) => {
      progress.reach(done);
    });
  } finally {
    progress.stop();
  }
}
