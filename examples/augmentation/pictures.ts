/** Draws what training sees of the astronaut: `npx tsx examples/augmentation/pictures.ts` writes docs/augmentation.jpg. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { drawDetections, Loader, openDataset } from 'torchdet';
import type { AugmentationName, Dataset } from 'torchdet';

const ROOT = join(__dirname, '../..');
const SIDE = 200; // of a panel
const COLUMNS = 4;
const PRESETS: readonly AugmentationName[] = ['hflip', 'lsj', 'multiscale', 'ssd', 'ssdlite'];

/** A data set of one photo with one box. */
async function astronaut(folder: string): Promise<Dataset> {
  const file = join(folder, 'instances.json');
  const annotations = {
    images: [{ id: 1, file_name: 'astronaut.jpg', width: 512, height: 512 }],
    annotations: [{ id: 1, image_id: 1, category_id: 1, bbox: [14, 3, 438, 508] }],
    categories: [{ id: 1, name: 'person' }],
  };
  await writeFile(file, JSON.stringify(annotations));
  return openDataset(file, { imageDir: join(ROOT, 'examples') });
}

/** The photo in some epochs of one preset. */
async function panels(dataset: Dataset, preset: AugmentationName): Promise<Buffer[]> {
  const loader = new Loader(dataset, { batchSize: 1, augmentation: preset, seed: 4 });
  const pictures: Buffer[] = [];
  for (let epoch = 0; epoch < COLUMNS; epoch++) {
    for await (const { samples } of loader.epoch(epoch)) {
      const [sample] = samples;
      if (!sample) throw new Error('The photo could not be read.');
      const { image, boxes, labels } = sample;
      const objects = Array.from(labels, (label, k) => ({
        box: boxes.subarray(4 * k, 4 * k + 4),
        label,
        name: 'person',
      }));
      const lineWidth = Math.max(image.width, image.height) / 120;
      const drawn = await drawDetections(image, objects, { format: 'png', lineWidth });
      const small = await sharp(drawn).resize(SIDE, SIDE, { fit: 'inside' }).toBuffer();
      const background = '#ffffff';
      const canvas = sharp({ create: { width: SIDE, height: SIDE, channels: 3, background } });
      pictures.push(
        await canvas
          .composite([{ input: small, gravity: 'northwest' }])
          .png()
          .toBuffer(),
      );
    }
  }
  return pictures;
}

async function main(): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'astronaut-'));
  try {
    const dataset = await astronaut(folder);
    const margin = 110;
    const overlays = [];
    for (const [row, preset] of PRESETS.entries()) {
      const top = row * (SIDE + 8);
      const title = `<svg width="${margin}" height="40"><text x="4" y="26" font-size="20" font-family="sans-serif">${preset}</text></svg>`;
      overlays.push({ input: Buffer.from(title), left: 0, top });
      const pictures = await panels(dataset, preset);
      pictures.forEach((input, column) => {
        overlays.push({ input, left: margin + column * (SIDE + 8), top });
      });
    }
    const width = margin + COLUMNS * (SIDE + 8);
    const height = PRESETS.length * (SIDE + 8);
    await sharp({ create: { width, height, channels: 3, background: '#ffffff' } })
      .composite(overlays)
      .jpeg({ quality: 85 })
      .toFile(join(ROOT, 'docs/augmentation.jpg'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

void main();
