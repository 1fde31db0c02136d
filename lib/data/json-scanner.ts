/**
 * Walks through a JSON file of any size in pieces: an object whose values are lists, as COCO's annotation files are. The
 * elements of the lists are cut out and handed on one by one, with the place where they stand; each is then parsed by
 * JSON.parse, which is several times as fast as parsers that make tokens of every number, and needs no more memory
 * than the element.
 */
import { createReadStream } from 'node:fs';
import { TorchdetError } from '../errors';

/** Something cut out of the file. */
export interface JsonPiece {
  /** The key of the outermost object that it stands under. */
  readonly key: string;
  /** True for an element of the key's list, false for a value that is no list. */
  readonly element: boolean;
  /** Its bytes; only valid during the call. */
  readonly bytes: Buffer;
  /** Where it begins, in bytes from the file's beginning. */
  readonly offset: number;
  /** The line it begins in, from 1. */
  readonly line: number;
}

const [quote, comma, colon, backslash, newline] = [0x22, 0x2c, 0x3a, 0x5c, 0x0a];
const [openBrace, closeBrace, openBracket, closeBracket] = [0x7b, 0x7d, 0x5b, 0x5d];

function isSpace(byte: number): boolean {
  return byte === 0x20 || byte === newline || byte === 0x0d || byte === 0x09;
}

/** The place behind a string's closing quote, or undefined where the bytes end before it. */
function stringEnd(bytes: Buffer, from: number): number | undefined {
  for (let at = from; at < bytes.length; at++) {
    const byte = bytes[at];
    if (byte === backslash) at++;
    else if (byte === quote) return at + 1;
  }
  return undefined;
}

type State =
  | 'start' // before the outermost {
  | 'key' // before a key or }
  | 'colon'
  | 'value' // before a key's value
  | 'element' // before an element or ]
  | 'after element' // before , or ]
  | 'after value' // before , or }
  | 'end';

const expected: Readonly<Record<State, string>> = {
  start: '"{"',
  key: 'a key or "}"',
  colon: '":"',
  value: 'a value',
  element: 'an element or "]"',
  'after element': '"," or "]"',
  'after value': '"," or "}"',
  end: 'nothing more',
};

/** Cuts a file that comes in chunks into pieces. */
export class JsonScanner {
  #state: State = 'start';
  #key = '';
  #rest: Buffer = Buffer.alloc(0);
  /** Bytes before `#rest`. */
  #base = 0;
  #line = 1;
  /** While inside a piece: what is being cut out, from where, and how deep the scan has come. */
  #cutting: 'key' | 'value' | 'element' | undefined;
  #begin = 0;
  #beginLine = 1;
  #depth = 0;
  #inString = false;
  #at = 0;

  constructor(
    private readonly file: string,
    private readonly onPiece: (piece: JsonPiece) => void,
  ) {}

  /** @throws TorchdetError ERR_DATASET where the file is no JSON object */
  push(chunk: Buffer): void {
    // What is left of the last chunk is the piece that it cut in two.
    const kept = this.#cutting ? this.#begin : this.#at;
    const bytes = Buffer.concat([this.#rest.subarray(kept), chunk]);
    this.#base += kept;
    this.#at -= kept;
    this.#begin -= kept;
    this.#rest = bytes;
    while (this.#at < bytes.length) {
      if (this.#cutting) {
        if (!this.#scan(bytes)) break;
        this.#finish(bytes);
      } else {
        this.#between(bytes[this.#at] ?? 0);
      }
    }
  }

  /** @throws TorchdetError ERR_DATASET where the file ends too early */
  end(): void {
    if (this.#state === 'end' && !this.#cutting) return;
    const what = this.#cutting ? `in the middle of ${this.#place()}` : `where ${this.#wanted()}`;
    throw this.#error(`it ends ${what}: it is cut off`);
  }

  #place(): string {
    return this.#cutting === 'key' ? 'a key' : `"${this.#key}"`;
  }

  #wanted(): string {
    return `${expected[this.#state]} should follow`;
  }

  #error(message: string): TorchdetError {
    const offset = this.#base + this.#at;
    return new TorchdetError(
      'ERR_DATASET',
      `${this.file}:${this.#line} (byte ${offset}): ${message}.`,
    );
  }

  /** One byte outside any piece. */
  #between(byte: number): void {
    if (byte === newline) this.#line += 1;
    if (isSpace(byte)) {
      this.#at += 1;
      return;
    }
    // Editors of another system put a byte order mark first.
    if (this.#base + this.#at < 3 && [0xef, 0xbb, 0xbf].includes(byte)) {
      this.#at += 1;
      return;
    }
    const next = this.#step(byte);
    if (!next) {
      const found = JSON.stringify(String.fromCharCode(byte));
      throw this.#error(`no JSON as COCO's: ${this.#wanted()}, found ${found}`);
    }
    if (next === 'cut') return;
    this.#state = next;
    this.#at += 1;
  }

  /** The state behind this byte, 'cut' where a piece begins with it, undefined where it must not stand. */
  #step(byte: number): State | 'cut' | undefined {
    switch (this.#state) {
      case 'start':
        return byte === openBrace ? 'key' : undefined;
      case 'key':
        if (byte === closeBrace) return 'end';
        return byte === quote ? this.#cut('key') : undefined;
      case 'colon':
        return byte === colon ? 'value' : undefined;
      case 'value':
        if (byte === openBracket) return 'element';
        return byte === comma || byte === closeBrace ? undefined : this.#cut('value');
      case 'element':
        if (byte === closeBracket) return 'after value';
        return byte === comma || byte === closeBrace ? undefined : this.#cut('element');
      case 'after element':
        if (byte === comma) return 'element';
        return byte === closeBracket ? 'after value' : undefined;
      case 'after value':
        if (byte === comma) return 'key';
        return byte === closeBrace ? 'end' : undefined;
      case 'end':
        return undefined;
    }
  }

  #cut(what: 'key' | 'value' | 'element'): 'cut' {
    this.#cutting = what;
    this.#begin = this.#at;
    this.#beginLine = this.#line;
    this.#depth = 0;
    this.#inString = false;
    return 'cut';
  }

  /** Goes to the end of the piece; false where the chunk ends before. */
  #scan(bytes: Buffer): boolean {
    let at = this.#at;
    let depth = this.#depth;
    try {
      while (at < bytes.length) {
        if (this.#inString) {
          const end = stringEnd(bytes, at);
          if (end === undefined) return false;
          at = end;
          this.#inString = false;
          if (depth === 0) return true;
          continue;
        }
        const byte = bytes[at] ?? 0;
        // Most bytes are digits: they are below all brackets and above quotes and white space.
        if (byte >= 0x30 && byte <= 0x39) {
          at++;
        } else if (byte === quote) {
          this.#inString = true;
          at++;
        } else if (byte === openBrace || byte === openBracket) {
          depth++;
          at++;
        } else if (byte === closeBrace || byte === closeBracket) {
          if (depth === 0) return true; // a number, true, false or null ends before the bracket
          at++;
          if (--depth === 0) return true;
        } else if (depth === 0 && (byte === comma || isSpace(byte))) {
          return true;
        } else {
          if (byte === newline) this.#line += 1;
          at++;
        }
      }
      return false;
    } finally {
      this.#at = at;
      this.#depth = depth;
    }
  }

  #finish(bytes: Buffer): void {
    const cut = this.#cutting;
    this.#cutting = undefined;
    const piece = bytes.subarray(this.#begin, this.#at);
    if (cut === 'key') {
      try {
        this.#key = JSON.parse(piece.toString()) as string;
      } catch {
        throw this.#error(`${piece.toString()} is no key`);
      }
      this.#state = 'colon';
      return;
    }
    const element = cut === 'element';
    this.#state = element ? 'after element' : 'after value';
    const [offset, line] = [this.#base + this.#begin, this.#beginLine];
    this.onPiece({ key: this.#key, element, bytes: piece, offset, line });
  }
}

export interface ScanOptions {
  readonly signal?: AbortSignal | undefined;
  /** Told after each chunk how many bytes have been read. */
  readonly onBytes?: ((bytes: number) => void) | undefined;
  /** Size of the chunks in bytes. */
  readonly chunkSize?: number | undefined;
}

/**
 * Scans a file.
 *
 * @throws TorchdetError ERR_FILE where it cannot be read, ERR_DATASET where it is no JSON object or is cut off; the signal's reason;
 *   what `onPiece` throws
 */
export async function scanJson(
  file: string,
  onPiece: (piece: JsonPiece) => void,
  { signal, onBytes, chunkSize = 1 << 20 }: ScanOptions = {},
): Promise<void> {
  const scanner = new JsonScanner(file, onPiece);
  let read = 0;
  signal?.throwIfAborted();
  const chunks = createReadStream(file, { highWaterMark: chunkSize })[Symbol.asyncIterator]();
  for (;;) {
    let next: IteratorResult<Buffer, unknown>;
    try {
      next = await (chunks as AsyncIterator<Buffer>).next();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new TorchdetError('ERR_FILE', `Cannot read ${file}: ${reason}`, { cause: error });
    }
    if (next.done) break;
    try {
      signal?.throwIfAborted();
      scanner.push(next.value);
    } catch (error) {
      await chunks.return?.();
      throw error;
    }
    read += next.value.length;
    onBytes?.(read);
  }
  scanner.end();
}
