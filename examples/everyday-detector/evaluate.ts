/**
 * The tables of assets/MODEL_CARD.md: `npx tsx examples/everyday-detector/evaluate.ts everyday13` measures the weights that ship on the
 * split val of a data set, `... everyday13 run/best.pt` others.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CocoEvaluator, Detector, evaluateDetector, openDataset } from 'torchdet';
import type { Dataset, FoundObjects } from 'torchdet';

/** Photographs of this source hold many people each, with boxes around hidden ones too. */
const CROWDS = 'crowd_person_';
/** Figures of classes with fewer objects say little. */
const ENOUGH = 20;
const PHOTO = join(__dirname, '../astronaut.jpg');

interface Figures {
  readonly objects: number;
  readonly ap50: number;
  readonly ap: number;
}

const row = (...cells: (string | number)[]) => `| ${cells.join(' | ')} |`;
const figure = (value: number) => (value < 0 ? '–' : value.toFixed(3));
const figuresRow = (name: string, { objects, ap50, ap }: Figures) =>
  row(name, objects, figure(ap50), figure(ap));
const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The class's figures on some of the images. */
async function figuresOf(
  name: string,
  dataset: Dataset,
  found: ReadonlyMap<number, FoundObjects>,
  isWanted: (image: string) => boolean,
): Promise<Figures & { readonly images: number }> {
  const evaluator = new CocoEvaluator({ categories: dataset.categories });
  let images = 0;
  for (const [index, detections] of found) {
    const entry = dataset.entry(index);
    if (!isWanted(entry.name)) continue;
    evaluator.add(index, entry, detections);
    images += 1;
  }
  const { bbox } = await evaluator.summarize();
  const figures = bbox?.classes.find((one) => one.name === name);
  if (!figures) throw new Error(`The data set has no class "${name}".`);
  return { ...figures, images };
}

async function main([path, model]: readonly string[]): Promise<void> {
  if (path === undefined) throw new Error('Name the data set.');
  await using detector = await (model === undefined ? Detector.default() : Detector.load(model));
  const dataset = await openDataset(path, { split: 'val', classes: detector.categories });
  const { evaluation, found } = await evaluateDetector(detector, dataset);
  const classes = evaluation.bbox?.classes.filter(({ objects }) => objects > 0) ?? [];
  const enough = classes.filter(({ objects }) => objects >= ENOUGH);

  console.log(row('class', 'boxes', 'AP50', 'AP (IoU .50:.95)'));
  console.log('|---|---:|---:|---:|');
  for (const one of classes) console.log(figuresRow(one.name, one));
  for (const [name, some] of [
    [`mean of the ${enough.length} with ${ENOUGH} boxes or more`, enough],
    [`mean of all ${classes.length}`, classes],
  ] as const) {
    const objects = some.reduce((sum, one) => sum + one.objects, 0);
    const ap50 = mean(some.map((one) => one.ap50));
    console.log(figuresRow(name, { objects, ap50, ap: mean(some.map(({ ap }) => ap)) }));
  }

  console.log(`\n${row('people', 'images', 'boxes', 'AP50', 'AP (IoU .50:.95)')}`);
  console.log('|---|---:|---:|---:|---:|');
  for (const [name, isWanted] of [
    ['in crowd photographs', (image: string) => image.startsWith(CROWDS)],
    ['in the others', (image: string) => !image.startsWith(CROWDS)],
  ] as const) {
    const { images, objects, ap50, ap } = await figuresOf('person', dataset, found, isWanted);
    console.log(row(name, images, objects, figure(ap50), figure(ap)));
  }

  const [result] = await detector.predict([await readFile(PHOTO)]);
  const best = [...(result ?? [])].slice(0, 3);
  const told = best.map(({ name, score }) => `${name} ${score.toFixed(3)}`);
  console.log(`\nexamples/astronaut.jpg: ${told.join(', ')}`);
}

void main(process.argv.slice(2));
