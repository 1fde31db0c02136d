import { mkdir, readFile, writeFile } from 'node:fs/promises';
import type { Precision } from '../detection/precision';
import { encode } from '../detection/rle';
import { TorchdetError } from '../errors';
import { decodeImage, type DecodedImage } from '../images/decode';
import { drawDetections, type DrawnDetection } from '../images/draw';
import { planDetector, readCategories, type DetectorPlan } from './detector-plan';
import { findImages, formatOfName, planOutputs } from './find-images';
import { Progress, type MessageStream } from './progress';
import { readAhead } from './read-ahead';
import { shortFloat, toJson, toTable, type ReportedDetection, type ReportedImage } from './report';
import { UsageError } from './usage-error';

/** Options of `torchdet detect`, as parsed. */
export interface DetectOptions {
  readonly model?: string;
  readonly weights?: string;
  readonly classes?: string;
  readonly score: number;
  readonly device: string;
  readonly precision?: Precision;
  readonly json?: boolean;
  readonly out?: string;
  readonly maxPixels: number;
}

/** What the command needs of a detector. */
export interface ImageDetector {
  /** Names by label, where they are known. */
  readonly categories?: readonly string[] | undefined;
  predict(
    images: readonly DecodedImage[],
    options: { scoreThreshold: number; signal?: AbortSignal },
  ): Promise<readonly Iterable<DrawnDetection>[]>;
  dispose(): void | Promise<void>;
}

/** What surrounds a run: where its output goes, what ends it early, and where its detector comes from. */
export interface DetectContext {
  readonly stdout: { write(text: string): unknown };
  readonly stderr: MessageStream;
  readonly signal?: AbortSignal;
  readonly open: (
    plan: DetectorPlan,
    options: {
      readonly device: string;
      readonly precision?: Precision | undefined;
      readonly signal?: AbortSignal;
    },
  ) => Promise<ImageDetector>;
}

/** Images decoded while the detector works on another. */
const decodeAhead = 2;

function messageOf(error: unknown): string {
  if (error instanceof TorchdetError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}

function reported(
  detection: DrawnDetection,
  categories: readonly string[] | undefined,
): ReportedDetection {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = Array.from(detection.box, shortFloat);
  const { label, score, keypoints } = detection;
  const name = categories?.[label] ?? detection.name ?? `class ${label}`;
  const points = keypoints?.flatMap(({ x, y, visible = true }) => [
    shortFloat(x),
    shortFloat(y),
    visible ? 1 : 0,
  ]);
  return {
    box: [x1, y1, x2, y2],
    label,
    name,
    score: shortFloat(score),
    ...(points && { keypoints: points }),
  };
}

/** The images of one run and what is done with each. */
class Run {
  readonly images: ReportedImage[] = [];
  failed = 0;

  constructor(
    private readonly detector: ImageDetector,
    private readonly categories: readonly string[] | undefined,
    private readonly options: DetectOptions,
    private readonly context: DetectContext,
  ) {}

  async overAll(files: readonly string[], outputs: readonly string[]): Promise<void> {
    const { stderr, signal } = this.context;
    const { maxPixels } = this.options;
    const progress = new Progress(stderr, files.length);
    const decode = async (file: string) => decodeImage(await readFile(file), { maxPixels });
    try {
      for await (const outcome of readAhead(files, decodeAhead, decode, signal)) {
        try {
          if ('error' in outcome) throw outcome.error;
          await this.overOne(outcome.item, outcome.value, outputs[outcome.index]);
        } catch (error) {
          signal?.throwIfAborted();
          this.failed += 1;
          progress.message(`error: ${outcome.item}: ${messageOf(error)}`);
        }
        progress.step();
      }
    } finally {
      progress.stop();
    }
  }

  private async overOne(file: string, picture: DecodedImage, output: string | undefined) {
    const { signal } = this.context;
    const [result = []] = await this.detector.predict([picture], {
      scoreThreshold: this.options.score,
      ...(signal ? { signal } : {}),
    });
    const { width, height } = picture;
    const detections: ReportedDetection[] = [];
    const drawn: DrawnDetection[] = [];
    for (const detection of result) {
      const report = reported(detection, this.categories);
      // A mask is made when it is asked for: not for a table.
      const needed = output !== undefined || this.options.json === true;
      const mask = needed ? detection.mask : undefined;
      const segmentation = this.options.json && mask ? encode(mask, height, width) : undefined;
      detections.push(segmentation ? { ...report, segmentation } : report);
      if (output !== undefined) drawn.push({ ...report, mask, keypoints: detection.keypoints });
    }
    if (output !== undefined) {
      const format = formatOfName(output) ?? 'jpeg';
      await writeFile(output, await drawDetections(picture, drawn, { format }));
    }
    this.images.push({ image: file, width, height, detections });
  }
}

async function makeFolder(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true });
  } catch (error) {
    throw new TorchdetError('ERR_FILE', `--out ${path} cannot be a folder: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

async function openDetector(
  plan: DetectorPlan,
  categories: readonly string[] | undefined,
  options: DetectOptions,
  context: DetectContext,
): Promise<ImageDetector> {
  const { signal } = context;
  const { device, precision } = options;
  const detector = await context.open(plan, { device, precision, ...(signal ? { signal } : {}) });
  const known = detector.categories?.length;
  if (categories && known !== undefined && known !== categories.length) {
    await detector.dispose();
    throw new UsageError(
      `--classes gives ${categories.length - 1} names, but the detector knows ${known - 1} classes.`,
    );
  }
  return detector;
}

/**
 * Detects on every image and prints the results; a failed image is reported on `stderr` and the others still processed.
 *
 * @returns 0, or 1 where an input failed.
 * @throws UsageError; the signal's reason where it aborted; what `context.open` threw.
 */
export async function detect(
  inputs: readonly string[],
  options: DetectOptions,
  context: DetectContext,
): Promise<number> {
  const { stdout, stderr } = context;
  const { classes, out } = options;
  const categories = classes === undefined ? undefined : readCategories(classes);
  const plan = planDetector(options, categories);
  const { files, missing } = await findImages(inputs);
  for (const { input, reason } of missing) stderr.write(`error: ${input}: ${reason}\n`);
  if (files.length === 0) {
    if (options.json) stdout.write(toJson([]));
    return 1;
  }
  const outputs = out === undefined ? [] : await planOutputs(files, out);
  if (out !== undefined) await makeFolder(out);
  const detector = await openDetector(plan, categories, options, context);
  const run = new Run(detector, categories, options, context);
  try {
    await run.overAll(files, outputs);
  } finally {
    await detector.dispose();
  }
  const { images, failed } = run;
  if (options.json) stdout.write(toJson(images));
  else if (images.length > 0) stdout.write(toTable(images));
  if (out !== undefined && images.length > 0) {
    const drawn = images.length === 1 ? '1 picture' : `${images.length} pictures`;
    stderr.write(`${drawn} drawn in ${out}\n`);
  }
  return missing.length + failed > 0 ? 1 : 0;
}
