/** Recognises image files by their first bytes, before any decoder sees them. */

/** The formats torchdet decodes. HEIC is not among them: its codec is patented and not part of sharp's builds. */
export type ImageFormat = 'jpeg' | 'png' | 'webp' | 'gif' | 'tiff' | 'avif';

/** As listed in messages. */
export const supportedFormats = 'JPEG, PNG, WebP, GIF, TIFF and AVIF';

/** What a file's first bytes say: a format torchdet decodes, or a description of what it is instead. */
export type Sniffed = { readonly format: ImageFormat } | { readonly looksLike: string };

/** Formats people do hand in, so that the message can say what the file is. */
const otherSignatures: readonly (readonly [signature: string, name: string])[] = [
  ['BM', 'a BMP image'],
  ['%PDF', 'a PDF document'],
  ['8BPS', 'a Photoshop document'],
  ['\xff\x0a', 'a JPEG XL image'],
  ['\0\0\0\x0cJXL ', 'a JPEG XL image'],
  ['\0\0\0\x0cjP  ', 'a JPEG 2000 image'],
  ['\xff\x4f\xff\x51', 'a JPEG 2000 image'],
  ['\0\0\x01\0', 'an ICO image'],
  ['v/1\x01', 'an OpenEXR image'],
  ['#?RADIANCE', 'a Radiance HDR image'],
  ['\x93NUMPY', 'a NumPy array'],
  ['PK\x03\x04', 'a ZIP archive'],
  ['\x1f\x8b', 'gzip-compressed data'],
  ['\x1aE\xdf\xa3', 'a Matroska or WebM video'],
];

function sniffIsoMedia(bytes: Buffer): Sniffed {
  const boxLength = Math.min(bytes.readUInt32BE(0), bytes.length);
  const major = bytes.toString('latin1', 8, 12);
  const brands = [major];
  for (let at = 16; at + 4 <= boxLength; at += 4) brands.push(bytes.toString('latin1', at, at + 4));
  if (brands.includes('avif') || brands.includes('avis')) return { format: 'avif' };
  if (brands.some((brand) => /^(hei|hev|mif1|msf1)/.test(brand))) {
    return { looksLike: 'a HEIC image' };
  }
  return { looksLike: 'an MP4 or QuickTime video' };
}

function sniffText(bytes: Buffer): string | undefined {
  const start = bytes.toString('utf8', 0, 1024).replace(/^\uFEFF/, '');
  // U+FFFD at the very end is a character cut in two by the limit above, anywhere else it is binary data.
  if (/[^\P{Cc}\s]|\uFFFD(?!$)/u.test(start)) return undefined;
  if (/<svg[\s>]/i.test(start)) return 'an SVG drawing';
  if (/^\s*(<!doctype html|<html)/i.test(start)) return 'an HTML page';
  if (/^\s*<\?xml/.test(start)) return 'an XML document';
  if (/^P[1-7]\s/.test(start)) return 'a Netpbm image';
  return `text starting with ${JSON.stringify(start.trim().slice(0, 40))}`;
}

/** Looks at the first bytes only; a file recognised here may still be damaged. */
export function sniffFormat(bytes: Buffer): Sniffed {
  if (bytes.length === 0) return { looksLike: 'an empty file (0 bytes)' };
  const head = bytes.toString('latin1', 0, 16);
  if (head.startsWith('\xff\xd8\xff')) return { format: 'jpeg' };
  if (head.startsWith('\x89PNG\r\n\x1a\n')) return { format: 'png' };
  if (head.startsWith('GIF87a') || head.startsWith('GIF89a')) return { format: 'gif' };
  if (head.startsWith('RIFF') && head.startsWith('WEBP', 8)) return { format: 'webp' };
  // Classic TIFF and BigTIFF, both byte orders.
  if (/^(II[\x2a\x2b]\0|MM\0[\x2a\x2b])/.test(head)) return { format: 'tiff' };
  if (bytes.length >= 12 && head.startsWith('ftyp', 4)) return sniffIsoMedia(bytes);
  const other = otherSignatures.find(([signature]) => head.startsWith(signature));
  if (other) return { looksLike: other[1] };
  // P5 and P6 carry binary pixels after a header of text.
  if (/^P[1-7]\s/.test(head)) return { looksLike: 'a Netpbm image' };
  const text = sniffText(bytes);
  if (text) return { looksLike: text };
  return { looksLike: `unknown data starting with bytes ${bytes.toString('hex', 0, 8)}` };
}

/**
 * Size of the canvas a GIF asks for: its logical screen, grown to hold its first frame, which may lie outside. Read here
 * because a 44-byte file can ask for gigabytes and decoders differ in when they notice.
 */
export function gifCanvas(bytes: Buffer): { width: number; height: number } | undefined {
  if (bytes.length < 13) return undefined;
  let width = bytes.readUInt16LE(6);
  let height = bytes.readUInt16LE(8);
  const flags = bytes.readUInt8(10);
  let at = 13 + (flags & 0x80 ? 3 << ((flags & 7) + 1) : 0);
  while (at < bytes.length && bytes[at] === 0x21) {
    at += 2;
    for (let size = bytes[at]; size; size = bytes[at]) at += size + 1;
    at += 1;
  }
  if (bytes[at] === 0x2c && at + 9 <= bytes.length) {
    width = Math.max(width, bytes.readUInt16LE(at + 1) + bytes.readUInt16LE(at + 5));
    height = Math.max(height, bytes.readUInt16LE(at + 3) + bytes.readUInt16LE(at + 7));
  }
  return { width, height };
}
