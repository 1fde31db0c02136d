/** `torchdet data check`, `convert` and `merge`: what they print. */
import { relative } from 'node:path';
import { checkDataset, type DatasetReport } from '../data/check';
import { convertDataset, type TargetFormat } from '../data/convert';
import type { DataFormat } from '../data/dataset';
import { mergeDatasets } from '../data/merge';
import type { OpenOptions } from '../data/open';
import { describeProblem, type Problem } from '../data/problems';
import type { ImageMode } from '../data/write';
import { readCategories } from './detector-plan';
import { Progress, type MessageStream } from './progress';
import { plainTable } from './report';

/** Options that all commands on data sets have, as parsed. */
export interface DataOptions {
  readonly split?: string;
  readonly format?: DataFormat;
  readonly classes?: string;
  readonly imageDir?: string;
  readonly tolerance?: number;
  readonly stop?: boolean;
  readonly json?: boolean;
}

export interface CheckCommandOptions extends DataOptions {
  /** False for `--no-decode`. */
  readonly decode: boolean;
}

export interface ConvertCommandOptions extends DataOptions {
  readonly to: TargetFormat;
  readonly out: string;
  readonly images: ImageMode;
}

/** Options of `torchdet data merge`, as parsed. */
export interface MergeCommandOptions extends Pick<DataOptions, 'classes' | 'json'> {
  readonly out: string;
  readonly images: ImageMode;
}

/** Where output goes, and what ends the work early. */
export interface DataContext {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: MessageStream;
  readonly signal?: AbortSignal;
}

/** How a data set is opened. */
export function openingOf(options: DataOptions, { signal }: DataContext): OpenOptions {
  const { split, format, classes, imageDir, tolerance, stop } = options;
  return {
    split,
    format,
    classes: classes === undefined ? undefined : readCategories(classes),
    imageDir,
    tolerance,
    onProblem: stop ? 'throw' : 'skip',
    signal,
  };
}

/** The bars of one command: annotations are read, then there is something to do to each image. */
export class DataProgress {
  #bar: Progress | undefined;
  #reading = true;

  constructor(private readonly stream: MessageStream) {}

  readonly onReading = (done: number): void => {
    this.#bar ??= new Progress(this.stream, 100, '{bar} {percentage}% of the annotations read');
    this.#bar.reach(Math.floor(100 * done));
  };

  readonly onProgress = (done: number, total: number): void => {
    if (this.#reading) {
      this.stop();
      this.#reading = false;
      this.#bar = new Progress(this.stream, total);
    }
    this.#bar?.reach(done);
  };

  /** Writes a line above the bar. */
  message(line: string): void {
    if (this.#bar) this.#bar.message(line);
    else this.stream.write(`${line}\n`);
  }

  stop(): void {
    this.#bar?.stop();
    this.#bar = undefined;
  }
}

/** A problem on one line, its file as seen from here where it is below. */
export function problemLine(problem: Problem): string {
  const near = relative('', problem.file);
  const file = near === '' || near.startsWith('..') ? problem.file : near;
  return describeProblem({ ...problem, file });
}

export function plural(count: number, one: string, many = `${one}s`): string {
  return `${count} ${count === 1 ? one : many}`;
}

const formatNames: Readonly<Record<DataFormat, string>> = {
  coco: 'COCO',
  voc: 'Pascal VOC',
  yolo: 'YOLO',
  'penn-fudan': 'Penn-Fudan',
};

const pixels = (value: number): string => String(Math.round(value));

function summary(path: string, report: DatasetReport): string {
  const { format, splits, images, objects, longerSide, boxSize, keypointCount } = report;
  const lines = [
    `${path}: ${formatNames[format]}, ${plural(images, 'image')}, ${plural(objects, 'object')}`,
  ];
  for (const { name, ...counts } of splits) {
    if (name === undefined) continue;
    lines.push(`  ${name}: ${plural(counts.images, 'image')}, ${plural(counts.objects, 'object')}`);
  }
  lines.push(
    `  longer sides of images: ${longerSide.smallest} to ${longerSide.largest} pixels`,
    `  sizes of boxes (root of the area): ${pixels(boxSize.smallest)} to ${pixels(boxSize.largest)} pixels, half below ${pixels(boxSize.median)}`,
  );
  if (report.emptyImages > 0) lines.push(`  images without objects: ${report.emptyImages}`);
  if (report.partlyMarked > 0) {
    lines.push(`  images that list the classes marked in them: ${report.partlyMarked}`);
  }
  if (report.crowds > 0) lines.push(`  crowds: ${report.crowds}`);
  if (report.hasMasks) lines.push('  masks: yes');
  if (keypointCount > 0) lines.push(`  keypoints of each object: ${keypointCount}`);
  const rows = report.classes.map(({ label, name, ...counts }) => [
    String(label),
    name,
    String(counts.objects),
    String(counts.images),
  ]);
  const table = plainTable(['label', 'class', 'objects', 'images'], rows, [0, 2, 3]);
  return `${lines.join('\n')}\n\n${table}`;
}

/** The problems, and how many of each kind there are. */
function problemList(problems: readonly Problem[]): string {
  if (problems.length === 0) return 'no problems\n';
  const counts = new Map<string, number>();
  for (const { kind } of problems) counts.set(kind, (counts.get(kind) ?? 0) + 1);
  const kinds = [...counts].map(([kind, count]) => `${count} ${kind}`).join(', ');
  const lines = problems.map((problem) => `${problemLine(problem)}\n`).join('');
  return `${lines}${plural(problems.length, 'problem')}: ${kinds}\n`;
}

/**
 * Checks a data set and prints what is in it and what is wrong with it.
 *
 * @returns 0, or 1 where something is wrong
 * @throws what checkDataset throws
 */
export async function checkData(
  path: string,
  options: CheckCommandOptions,
  context: DataContext,
): Promise<number> {
  const { stdout, stderr } = context;
  const progress = new DataProgress(stderr);
  let report: DatasetReport;
  try {
    const { onReading, onProgress } = progress;
    const opening = openingOf(options, context);
    report = await checkDataset(path, {
      ...opening,
      decode: options.decode,
      onReading,
      onProgress,
    });
  } finally {
    progress.stop();
  }
  if (options.json) stdout.write(`${JSON.stringify({ path, ...report }, null, 2)}\n`);
  else stdout.write(`${summary(path, report)}\n${problemList(report.problems)}`);
  return report.problems.length === 0 ? 0 : 1;
}

/**
 * Converts a data set; what was wrong with it, and is left out, goes to `stderr`.
 *
 * @returns 0
 * @throws what convertDataset throws
 */
export async function convertData(
  path: string,
  options: ConvertCommandOptions,
  context: DataContext,
): Promise<number> {
  const { stdout, stderr } = context;
  const { to, out, images } = options;
  const progress = new DataProgress(stderr);
  const { onReading, onProgress } = progress;
  let conversion;
  try {
    const opening = openingOf(options, context);
    conversion = await convertDataset(path, {
      ...{ ...opening, to, out, images },
      ...{ onReading, onProgress },
    });
  } finally {
    progress.stop();
  }
  const { problems, lost, splits } = conversion;
  for (const problem of problems) stderr.write(`warning: ${problemLine(problem)}\n`);
  if (options.json) {
    stdout.write(`${JSON.stringify({ path, to, out, ...conversion }, null, 2)}\n`);
    return 0;
  }
  const parts = splits.length === 0 ? '' : ` (${splits.join(', ')})`;
  const counts = `${plural(conversion.images, 'image')}, ${plural(conversion.objects, 'object')}`;
  stdout.write(`${out}: ${formatNames[to]}, ${counts}${parts}\n`);
  for (const line of lost) stdout.write(`  not kept: ${line}\n`);
  return 0;
}

/**
 * Merges data sets; what was wrong with them, and is left out, goes to `stderr`.
 *
 * @returns 0
 * @throws what mergeDatasets throws
 */
export async function mergeData(
  paths: readonly string[],
  { out, images, classes, json }: MergeCommandOptions,
  { stdout, stderr, signal }: DataContext,
): Promise<number> {
  const progress = new DataProgress(stderr);
  const { onReading, onProgress } = progress;
  const names = classes === undefined ? undefined : readCategories(classes);
  let merger;
  try {
    merger = await mergeDatasets(paths, {
      ...{ out, images, classes: names, signal, onReading, onProgress },
    });
  } finally {
    progress.stop();
  }
  for (const problem of merger.problems) stderr.write(`warning: ${problemLine(problem)}\n`);
  if (json) {
    stdout.write(`${JSON.stringify({ paths, out, ...merger }, null, 2)}\n`);
    return 0;
  }
  stdout.write(`${out}: COCO, ${plural(merger.classes.length, 'class', 'classes')}\n`);
  for (const { name, ...counts } of merger.splits) {
    const text = `${plural(counts.images, 'image')}, ${plural(counts.objects, 'object')}`;
    stdout.write(`  ${name}: ${text}\n`);
  }
  for (const line of merger.lost) stdout.write(`  not kept: ${line}\n`);
  return 0;
}
