/** Draws what the stages of docs/parts.md see on the astronaut: `npx tsx examples/parts/pictures.ts` writes docs/parts.jpg. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { Detector, ops } from 'torchdet';
import { detectByHand } from './faster-rcnn';

const SIDE = 360; // of a panel; the photo is square
const SHOWN = 40; // proposals
const COLOURS = ['#ffd400', '#00e5ff', '#ff4fd8', '#7cff4f'];

interface Drawn {
  readonly box: readonly number[];
  readonly colour: string;
  readonly opacity?: number;
  readonly width?: number;
}

/** Boxes of a list in pixels of an image whose longer side is `side`, in pixels of the panel. */
function boxesOf(list: Float32Array, side: number): number[][] {
  const scale = SIDE / side;
  return Array.from({ length: list.length / 4 }, (_, i) =>
    Array.from(list.subarray(4 * i, 4 * i + 4), (value) => value * scale),
  );
}

async function panel(photo: Buffer, title: string, drawn: readonly Drawn[]): Promise<Buffer> {
  const rectangles = drawn.map(({ box: [x1 = 0, y1 = 0, x2 = 0, y2 = 0], ...style }) => {
    const place = `x="${x1}" y="${y1}" width="${x2 - x1}" height="${y2 - y1}"`;
    const stroke = `stroke="${style.colour}" stroke-opacity="${style.opacity ?? 1}" stroke-width="${style.width ?? 1.5}"`;
    return `<rect ${place} fill="none" ${stroke}/>`;
  });
  const label = `<rect width="${SIDE}" height="26" fill="#000" fill-opacity="0.6"/><text x="8" y="18" font-family="sans-serif" font-size="14" fill="#fff">${title}</text>`;
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${SIDE}" height="${SIDE}">${rectangles.join('')}${label}</svg>`;
  return sharp(photo)
    .resize(SIDE, SIDE)
    .modulate({ brightness: 0.85 })
    .composite([{ input: Buffer.from(svg) }])
    .png()
    .toBuffer();
}

async function main(): Promise<void> {
  const root = join(__dirname, '../..');
  const photo = await readFile(join(root, 'examples/astronaut.jpg'));
  await using detector = await Detector.default({ device: 'cpu' });
  const hand = await detectByHand(detector, photo, [512, 512]);
  const [side] = hand.imageSize;

  const anchors: Drawn[] = [];
  let first = 0;
  const list = hand.stages.rpn.anchors.data as Float32Array;
  hand.gridSizes.forEach(([height, width], level) => {
    // The six at the place nearest to the middle.
    const place = Math.floor(height / 2) * width + Math.floor(width / 2);
    const six = Array.from({ length: 6 }, (_, i) => first + 6 * place + i);
    const colour = COLOURS[level] ?? '#fff';
    anchors.push(...boxesOf(ops.takeRows(list, six), side).map((box) => ({ box, colour })));
    first += 6 * height * width;
  });

  const levels = await ops.assignLevels(hand.proposals, { strides: [8, 16, 32] });
  const count = hand.proposals.length / 4;
  const proposals = boxesOf(hand.proposals.subarray(0, 4 * SHOWN), side).map((box, i) => ({
    box,
    colour: COLOURS[levels[i] ?? 0] ?? '#fff',
    opacity: 0.8,
    width: 1,
  }));
  const person = { colour: '#00e5ff', width: 3 };
  const candidates = boxesOf(hand.candidates, side).map((box) => ({ ...person, box, width: 1 }));
  const detections = boxesOf(hand.boxes, 512).map((box, i) => ({
    ...person,
    box,
    opacity: Math.max(0.3, hand.scores[i] ?? 0),
  }));

  const best = (hand.scores[0] ?? 0).toFixed(2);
  const panels = await Promise.all([
    panel(photo, `1. anchors at one place, a colour for each level`, anchors),
    panel(photo, `2. the best ${SHOWN} of ${count} proposals`, proposals),
    panel(photo, `3. ${candidates.length} boxes that score above 0.05`, candidates),
    panel(photo, `4. ${detections.length} detections left, the best ${best}`, detections),
  ]);
  const gap = 8;
  const size = 2 * SIDE + gap;
  const at = (i: number) => ({
    left: (i % 2) * (SIDE + gap),
    top: Math.floor(i / 2) * (SIDE + gap),
  });
  const sheet = await sharp({
    create: { width: size, height: size, channels: 3, background: '#fff' },
  })
    .composite(panels.map((input, i) => ({ input, ...at(i) })))
    .jpeg({ quality: 80 })
    .toBuffer();
  await writeFile(join(root, 'docs/parts.jpg'), sheet);
}

void main();
