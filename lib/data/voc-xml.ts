/** One annotation file of Pascal VOC's kind. */
import { SaxesParser } from 'saxes';
import { isSet } from './reader';

export interface VocObject {
  readonly name: string;
  /** xmin, ymin, xmax, ymax as text, where they are written; undefined without a `bndbox`. */
  readonly box: Readonly<Record<string, string>> | undefined;
  readonly difficult: boolean;
  /** Line of the `bndbox`, or of the object where it has none. */
  readonly line: number;
}

export interface VocAnnotation {
  readonly filename: string | undefined;
  readonly width: number | undefined;
  readonly height: number | undefined;
  readonly objects: readonly VocObject[];
}

interface OpenObject {
  name: string;
  box: Record<string, string> | undefined;
  difficult: boolean;
  line: number;
}

/**
 * The text of an XML file, in the encoding that it declares.
 *
 * @throws Error for an encoding that is not known
 */
export function decodeXml(bytes: Buffer): string {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder('utf-16le').decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder('utf-16be').decode(bytes);
  const start = bytes.toString('latin1', 0, 200);
  const declared = /^[^<]*<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']/.exec(start)?.[1];
  // A declaration that is read byte by byte is in no encoding of two: .NET writes the one and means UTF-8.
  const isWide = declared === undefined || /^(utf-?16|ucs-?[24]|iso-10646)/i.test(declared);
  try {
    return new TextDecoder(isWide ? 'utf-8' : declared).decode(bytes);
  } catch (error) {
    throw new Error(`its encoding "${declared ?? ''}" is not known`, { cause: error });
  }
}

/** A side in whole pixels, where the text is one. */
function side(text: string | undefined): number | undefined {
  const value = Number(text);
  return Number.isFinite(value) && value > 0 ? value : undefined;
}

/**
 * Parses an annotation file.
 *
 * @throws Error of the XML parser, with line and column, where the text is no XML; Error where its root is not `annotation`
 */
export function parseVoc(text: string): VocAnnotation {
  const parser = new SaxesParser({ position: true });
  const path: string[] = [];
  const fields: Record<string, string> = {};
  const objects: OpenObject[] = [];
  let content = '';
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ name }) => {
    path.push(name);
    content = '';
    const place = path.join('/');
    if (path.length === 1 && name !== 'annotation') {
      throw new Error(`the outermost element is <${name}>, not <annotation>`);
    }
    if (place === 'annotation/object') {
      objects.push({ name: '', box: undefined, difficult: false, line: parser.line });
    }
    const object = objects.at(-1);
    if (place === 'annotation/object/bndbox' && object) {
      object.box = {};
      object.line = parser.line;
    }
  });
  const append = (piece: string) => {
    content += piece;
  };
  parser.on('text', append);
  parser.on('cdata', append);
  parser.on('closetag', ({ name }) => {
    const place = path.join('/');
    path.pop();
    const value = content.trim();
    content = '';
    const object = objects.at(-1);
    if (!place.startsWith('annotation/object/') || !object) fields[place] = value;
    else if (place === 'annotation/object/name') object.name = value;
    else if (place === 'annotation/object/difficult') object.difficult = isSet(value);
    else if (place.startsWith('annotation/object/bndbox/') && object.box) object.box[name] = value;
  });
  parser.write(text).close();
  const filename = fields['annotation/filename'];
  return {
    filename: filename === '' ? undefined : filename,
    width: side(fields['annotation/size/width']),
    height: side(fields['annotation/size/height']),
    objects,
  };
}
