/** A data set of coloured squares on grey, in COCO's files: something a tiny model can begin to learn in seconds. */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { RandomStream } from '../../lib/data/augment-random';

const colours = ['#d03030', '#3050d0'];
const [width, height] = [96, 72];

async function writeImage(path: string, boxes: readonly number[][], labels: readonly number[]) {
  const squares = boxes.map(([x = 0, y = 0, side = 0], k) => ({
    input: {
      create: {
        width: side,
        height: side,
        channels: 3 as const,
        background: colours[labels[k] ?? 0] ?? '#000',
      },
    },
    left: x,
    top: y,
  }));
  const ground = sharp({ create: { width, height, channels: 3, background: '#808080' } });
  writeFileSync(path, await ground.composite(squares).png().toBuffer());
}

/** Writes `counts` images of each split below `folder`, with annotations/instances_<split>.json. */
export async function writeSquares(
  folder: string,
  counts: Readonly<Record<string, number>>,
): Promise<void> {
  mkdirSync(join(folder, 'annotations'), { recursive: true });
  for (const [part, [split, count]] of Object.entries(counts).entries()) {
    mkdirSync(join(folder, split));
    const images: object[] = [];
    const annotations: object[] = [];
    for (let i = 0; i < count; i++) {
      const random = new RandomStream(7, part, i);
      const side = 16 + random.integer(20);
      const boxes = [0, 1].map((k) => [
        k * 48 + random.integer(48 - side),
        random.integer(72 - side),
        side,
      ]);
      const labels = boxes.map(() => random.integer(2));
      await writeImage(join(folder, split, `${i}.png`), boxes, labels);
      images.push({ id: i + 1, file_name: `${i}.png`, width, height });
      boxes.forEach(([x = 0, y = 0], k) => {
        const bbox = [x, y, side, side];
        const category = (labels[k] ?? 0) + 1;
        annotations.push({
          id: annotations.length + 1,
          image_id: i + 1,
          category_id: category,
          bbox,
          segmentation: [[x, y, x + side, y, x + side, y + side, x, y + side]],
          area: side * side,
          iscrowd: 0,
        });
      });
    }
    const categories = ['red', 'blue'].map((name, k) => ({ id: k + 1, name }));
    const file = join(folder, 'annotations', `instances_${split}.json`);
    writeFileSync(file, JSON.stringify({ images, annotations, categories }));
  }
}
