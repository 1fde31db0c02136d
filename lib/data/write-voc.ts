/** Writes Pascal VOC's files: an XML file for each image, lists of the splits, and the classes in their order. */
import { join } from 'node:path';
import { escapeXml } from '../xml';
import type { Dataset, Entry } from './dataset';
import { stemOf } from './reader';
import {
  boxOf,
  clean,
  countLosses,
  hasOwnClassIds,
  imagePlace,
  placeImage,
  type WriteContext,
  type Writer,
} from './write';

function objectXml(entry: Entry, k: number, name: string): string {
  const [x1, y1, x2, y2] = boxOf(entry, k).map(clean);
  const difficult = entry.difficult[k] === 1 || entry.crowd[k] === 1 ? 1 : 0;
  return `  <object>
    <name>${escapeXml(name)}</name>
    <pose>Unspecified</pose>
    <truncated>0</truncated>
    <difficult>${difficult}</difficult>
    <bndbox>
      <xmin>${x1 ?? 0}</xmin>
      <ymin>${y1 ?? 0}</ymin>
      <xmax>${x2 ?? 0}</xmax>
      <ymax>${y2 ?? 0}</ymax>
    </bndbox>
  </object>
`;
}

/** Writes `Annotations/`, `JPEGImages/`, `ImageSets/Main/` and `classes.txt`. */
export class VocWriter implements Writer {
  #classes: readonly string[] = [];
  #hasOwnIds = false;

  constructor(private readonly context: WriteContext) {}

  async add(dataset: Dataset, split: string | undefined): Promise<void> {
    const { context } = this;
    this.#classes = dataset.names.slice(1);
    this.#hasOwnIds ||= hasOwnClassIds(dataset);
    const stems: string[] = [];
    for (let i = 0; i < dataset.length; i++) {
      context.signal?.throwIfAborted();
      const entry = dataset.entry(i);
      const name = context.names.of(entry);
      stems.push(stemOf(name));
      const objects = Array.from(entry.labels, (label, k) =>
        objectXml(entry, k, dataset.names[label] ?? ''),
      );
      const { width, height } = entry;
      await context.written.text(
        join(context.out, 'Annotations', `${stemOf(name)}.xml`),
        `<annotation>
  <folder>JPEGImages</folder>
  <filename>${escapeXml(name)}</filename>
  <size>
    <width>${width}</width>
    <height>${height}</height>
    <depth>3</depth>
  </size>
  <segmented>0</segmented>
${objects.join('')}</annotation>
`,
      );
      await placeImage(entry.image, imagePlace(context, 'JPEGImages', entry), context);
      await this.#countLosses(dataset, entry);
      context.step();
    }
    const list = join(context.out, 'ImageSets', 'Main', `${split ?? 'all'}.txt`);
    await context.written.text(list, stems.map((stem) => `${stem}\n`).join(''));
  }

  async #countLosses(dataset: Dataset, entry: Entry): Promise<void> {
    const { losses } = this.context;
    countLosses(dataset, entry, losses, 'VOC');
    const outlines = (await entry.segmentations?.()) ?? [];
    losses.add('masks: VOC files hold boxes', outlines.filter(Boolean).length);
    const crowds = entry.crowd.filter(Boolean).length;
    losses.add('crowds: written as difficult objects', crowds);
    if (entry.keypoints) losses.add('objects with keypoints: VOC has none', entry.length);
  }

  async finish(): Promise<void> {
    if (this.#hasOwnIds) this.context.losses.add('set of class ids: VOC knows classes by name');
    const names = this.#classes.map((name) => `${name}\n`).join('');
    await this.context.written.text(join(this.context.out, 'classes.txt'), names);
  }
}
