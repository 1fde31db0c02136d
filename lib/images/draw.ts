import sharp, { type OverlayOptions, type Sharp } from 'sharp';
import { optionError, rejectUnknownOptions, TorchdetError } from '../errors';
import { escapeXml } from '../xml';
import { decodeImage } from './decode';
import { keypointElements, type DrawnKeypoint } from './draw-keypoints';
import { withMasks } from './draw-masks';
import type { ImageFormat } from './format';
import type { RawImage } from './input';
import { placeLabel, type Rectangle } from './label-layout';
import { capHeight, hasGlyphs, plainLetters, strokeText, strokeWidth } from './stroke-font';

/** What is drawn of a detection; those a result iterates over fit. */
export interface DrawnDetection {
  /** [x1, y1, x2, y2] in pixels of the picture. */
  readonly box: ArrayLike<number>;
  /** Class index: chooses the colour. */
  readonly label: number;
  /** Class name; the label number is written where there is none. */
  readonly name?: string | undefined;
  /** 0..1 */
  readonly score: number;
  /** Which pixels of the picture are the object's: width * height bytes, row by row, 0 for those that are not. */
  readonly mask?: Uint8Array | undefined;
  /** Drawn as dots, and joined as COCO's skeleton where there are 17. */
  readonly keypoints?: readonly DrawnKeypoint[] | undefined;
}

/** The same without a score, as objects of a data set are: none is written. */
export interface DrawnObject extends Omit<DrawnDetection, 'score'> {
  /** 0..1; those with the highest are drawn on top. */
  readonly score?: number | undefined;
}

export interface DrawOptions {
  /** Format of the picture that comes back. Default 'jpeg'. */
  readonly format?: ImageFormat | undefined;
  /** 1..100, for jpeg, webp, avif and tiff. Default 92. */
  readonly quality?: number | undefined;
  /** Width of the boxes' lines in pixels, at least 1. Default: 1/240 of the longer side, at least 2. */
  readonly lineWidth?: number | undefined;
  /** Height of capital letters in pixels, at least 4. Default: 1/56 of the longer side, at least 9. */
  readonly textHeight?: number | undefined;
}

const formats: readonly ImageFormat[] = ['jpeg', 'png', 'webp', 'gif', 'tiff', 'avif'];

/** The renderer of drawings takes at most 32767 pixels a side; larger pictures are drawn on in tiles. */
const tileSide = 8192;

const longestName = 40;

interface Style {
  readonly lineWidth: number;
  readonly textHeight: number;
}

/** Colour of a class as #rrggbb: hues a golden angle apart, so that neighbouring classes never look alike. */
export function classColour(label: number): string {
  const hue = (((label * 137.508) % 360) + 360) % 360;
  const lightness = [0.5, 0.6, 0.42][Math.abs(label) % 3] ?? 0.5;
  const amplitude = 0.9 * Math.min(lightness, 1 - lightness);
  const channel = (offset: number) => {
    const k = (offset + hue / 30) % 12;
    const value = lightness - amplitude * Math.max(-1, Math.min(k - 3, 9 - k, 1));
    return Math.round(value * 255)
      .toString(16)
      .padStart(2, '0');
  };
  return `#${channel(0)}${channel(8)}${channel(4)}`;
}

/** Black or white, whichever reads better on the colour. */
function inkOn(colour: string): string {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * r + 0.587 * g + 0.114 * b > 140 ? '#000' : '#fff';
}

function labelText(detection: DrawnObject): string {
  // Control characters and halves of surrogate pairs are not allowed in XML.
  const name = (detection.name ?? String(detection.label)).replace(/\p{C}+/gu, ' ').trim();
  const letters = Array.from(name);
  const shown =
    letters.length > longestName ? `${letters.slice(0, longestName).join('')}...` : name;
  return `${shown} ${detection.score?.toFixed(2) ?? ''}`.trim();
}

interface Text {
  /** SVG elements whose baseline is at y = capHeight, in units of the stroke font. */
  readonly elements: string;
  readonly width: number;
}

/** Width of text in a font we do not know, in ems: East Asian characters and emoji are square. */
function estimatedEms(text: string): number {
  const wide = /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\uff00-\uff60]|\p{So}/u;
  return Array.from(text).reduce((sum, character) => sum + (wide.test(character) ? 1.02 : 0.62), 0);
}

/** Letters of other scripts than Latin need a font of the machine; everything else has its strokes here. */
function renderText(text: string, ink: string): Text {
  const plain = plainLetters(text);
  if (hasGlyphs(plain)) {
    const { elements, width } = strokeText(plain);
    const pen = `fill="none" stroke="${ink}" stroke-width="${strokeWidth}" stroke-linecap="round" stroke-linejoin="round"`;
    return { elements: `<g ${pen}>${elements}</g>`, width };
  }
  const size = capHeight / 0.72;
  const font = `font-family="sans-serif" font-size="${size.toFixed(2)}" font-weight="bold"`;
  return {
    elements: `<text y="${capHeight}" fill="${ink}" ${font}>${escapeXml(text)}</text>`,
    width: estimatedEms(text) * size,
  };
}

function boxElement(box: Rectangle, picture: RawImage, colour: string, lineWidth: number): string {
  // Lines of boxes that touch the picture's edge are moved inside by half their width, to be seen whole.
  const inset = lineWidth / 2;
  const left = Math.min(Math.max(box.x, inset), Math.max(inset, picture.width - inset));
  const top = Math.min(Math.max(box.y, inset), Math.max(inset, picture.height - inset));
  const right = Math.max(Math.min(box.x + box.width, picture.width - inset), left);
  const bottom = Math.max(Math.min(box.y + box.height, picture.height - inset), top);
  const numbers = [left, top, right - left, bottom - top].map((value) => value.toFixed(2));
  const [x, y, width, height] = numbers;
  const rectangle = `<rect x="${x ?? 0}" y="${y ?? 0}" width="${width ?? 0}" height="${height ?? 0}" fill="none"`;
  const halo = `${rectangle} stroke="#000" stroke-opacity="0.35" stroke-width="${lineWidth * 1.6}"/>`;
  return `${halo}${rectangle} stroke="${colour}" stroke-width="${lineWidth}"/>`;
}

function labelElement(place: Rectangle, text: Text, scale: number, colour: string): string {
  const { x, y, width, height } = place;
  const padding = (width - text.width * scale) / 2;
  // Ascenders and descenders take 19 units of the grid; 16 centres what most words have.
  const top = y + (height - 16 * scale) / 2;
  const at = `translate(${(x + padding).toFixed(2)} ${top.toFixed(2)}) scale(${scale.toFixed(4)})`;
  const numbers = `x="${x.toFixed(2)}" y="${y.toFixed(2)}" width="${width.toFixed(2)}" height="${height.toFixed(2)}"`;
  return `<rect ${numbers} fill="${colour}"/><g transform="${at}">${text.elements}</g>`;
}

function checkDetection(detection: DrawnObject, index: number): Rectangle {
  const numbers = Array.from(detection.box);
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = numbers;
  if (numbers.length !== 4 || !numbers.every(Number.isFinite)) {
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `detections[${index}]: box must be [x1, y1, x2, y2], four finite numbers, got [${numbers.join(', ')}].`,
    );
  }
  return { x: x1, y: y1, width: Math.max(0, x2 - x1), height: Math.max(0, y2 - y1) };
}

/** The drawing as SVG elements in the picture's pixels, best detections on top. */
function drawing(picture: RawImage, detections: readonly DrawnObject[], style: Style): string {
  const { lineWidth, textHeight } = style;
  const items = detections
    .map((detection, index) => ({ detection, index, box: checkDetection(detection, index) }))
    .sort((a, b) => (b.detection.score ?? 1) - (a.detection.score ?? 1));
  const placed: Rectangle[] = [];
  const boxes: string[] = [];
  const points: string[] = [];
  const labels: string[] = [];
  for (const { detection, index, box } of items) {
    const colour = classColour(detection.label);
    boxes.push(boxElement(box, picture, colour, lineWidth));
    const keypoints = detection.keypoints ?? [];
    points.push(keypointElements(`detections[${index}]`, keypoints, colour, lineWidth));
    const text = renderText(labelText(detection), inkOn(colour));
    // Text wider than the picture is made smaller.
    const padding = textHeight * 0.5;
    const fit = Math.min(1, picture.width / ((text.width * textHeight) / capHeight + 2 * padding));
    const scale = (textHeight / capHeight) * fit;
    const size = { width: text.width * scale + 2 * padding * fit, height: 24 * scale };
    const place = placeLabel(
      { ...box, x: box.x - lineWidth / 2, width: box.width + lineWidth },
      size,
      picture,
      placed,
    );
    placed.push(place);
    labels.push(labelElement(place, text, scale, colour));
  }
  return [boxes, points, labels].map((parts) => parts.reverse().join('')).join('');
}

/** Masks in their classes' colours, those of the best detections first. */
function masksOf(detections: readonly DrawnObject[]) {
  return detections
    .flatMap(({ mask, label, score = 1 }) =>
      mask ? [{ mask, colour: classColour(label), score }] : [],
    )
    .sort((a, b) => b.score - a.score);
}

function overlays(picture: RawImage, elements: string): OverlayOptions[] {
  const tiles: OverlayOptions[] = [];
  for (let top = 0; top < picture.height; top += tileSide) {
    for (let left = 0; left < picture.width; left += tileSide) {
      const width = Math.min(tileSide, picture.width - left);
      const height = Math.min(tileSide, picture.height - top);
      const svg = `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="${left} ${top} ${width} ${height}">${elements}</svg>`;
      tiles.push({ input: Buffer.from(svg), left, top });
    }
  }
  return tiles;
}

function encode(image: Sharp, format: ImageFormat, quality: number): Sharp {
  switch (format) {
    case 'jpeg':
      // Full-resolution colour: thin lines and small letters smear otherwise.
      return image.jpeg({ quality, chromaSubsampling: '4:4:4' });
    case 'webp':
      return image.webp({ quality, smartSubsample: true });
    case 'avif':
      return image.avif({ quality, effort: 2 });
    case 'tiff':
      return image.tiff({ quality, compression: 'deflate' });
    case 'png':
      return image.png();
    case 'gif':
      return image.gif();
  }
}

function checkStyle(options: DrawOptions, picture: RawImage): Style {
  const longer = Math.max(picture.width, picture.height);
  const { lineWidth = Math.max(2, longer / 240), textHeight = Math.max(9, longer / 56) } = options;
  if (!(Number.isFinite(lineWidth) && lineWidth >= 1)) {
    throw optionError('drawDetections', 'lineWidth', lineWidth, 'a number of at least 1');
  }
  if (!(Number.isFinite(textHeight) && textHeight >= 4)) {
    throw optionError('drawDetections', 'textHeight', textHeight, 'a number of at least 4');
  }
  return { lineWidth, textHeight };
}

/**
 * Draws boxes with names and scores on a picture, and masks and keypoints where there are any: one colour per class, lines and letters in proportion to the picture,
 * labels kept inside it and off each other where there is room.
 *
 * Latin letters, digits and ASCII signs are drawn without any font (accents are left off); names in other scripts use
 * the machine's fonts, and show empty boxes where it has none for them.
 *
 * @param image - An encoded file's bytes, or decoded pixels, which are left as they are.
 * @param detections - For example a result of `predict`. Boxes may reach outside the picture.
 * @returns The encoded picture, upright, without metadata.
 * @throws TorchdetError ERR_INVALID_ARGUMENT for a box that is not four finite numbers, a mask of another size, or a picture too large for the format;
 *   ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; the errors of {@link decodeImage}.
 */
export async function drawDetections(
  image: Buffer | Uint8Array | RawImage,
  detections: Iterable<DrawnObject>,
  options: DrawOptions = {},
): Promise<Buffer> {
  const where = 'drawDetections';
  rejectUnknownOptions(where, options, ['format', 'quality', 'lineWidth', 'textHeight']);
  const { format = 'jpeg', quality = 92 } = options;
  if (!formats.includes(format)) {
    throw optionError(where, 'format', format, `one of ${formats.join(', ')}`);
  }
  if (!(Number.isInteger(quality) && quality >= 1 && quality <= 100)) {
    throw optionError(where, 'quality', quality, 'an integer from 1 to 100');
  }
  const given = image instanceof Uint8Array ? await decodeImage(image) : image;
  const shown = [...detections];
  const style = checkStyle(options, given);
  const elements = drawing(given, shown, style);
  const picture = withMasks(given, masksOf(shown), style.lineWidth);
  const { data, width, height, channels } = picture;
  // An RGB canvas first: on a grey one the drawing would come out grey.
  const canvas = sharp(data, { raw: { width, height, channels }, limitInputPixels: false });
  const drawn = canvas.toColourspace('srgb').removeAlpha().composite(overlays(picture, elements));
  try {
    return await encode(drawn.removeAlpha(), format, quality).toBuffer();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `The ${width}x${height} picture cannot be written as ${format}: ${reason}.`,
      { cause: error },
    );
  }
}
