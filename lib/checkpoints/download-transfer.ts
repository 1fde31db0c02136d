import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile, rm, stat, statfs, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';

import type { Dispatcher } from 'undici';

import { DiskFullError, HttpStatusError } from './download-errors';

/** What identifies the server's file, kept beside the part so that a changed file is never pieced together. */
interface Validators {
  url: string;
  etag: string | undefined;
  lastModified: string | undefined;
  total: number | undefined;
}

interface TransferOptions {
  dispatcher: Dispatcher;
  signal: AbortSignal;
  onProgress: (received: number, total: number | undefined) => void;
}

const partPath = (destination: string): string => `${destination}.part`;
const notePath = (destination: string): string => `${destination}.part.json`;

/** Removes the part and its note. */
export async function discardPart(destination: string): Promise<void> {
  await rm(partPath(destination), { force: true });
  await rm(notePath(destination), { force: true });
}

/**
 * One attempt: fetches what is missing of `<destination>.part` and returns the SHA-256 of the whole. Throws raw errors
 * of the network and the file system; the part then stays for the next attempt.
 */
export async function transfer(
  url: URL,
  destination: string,
  { dispatcher, signal, onProgress }: TransferOptions,
): Promise<{ digest: string; resumed: boolean }> {
  const known = await readPart(url, destination);
  const headers: Record<string, string> = { 'accept-encoding': 'identity' };
  if (known) {
    headers.range = `bytes=${known.size}-`;
    const validator = known.note.etag?.startsWith('"') ? known.note.etag : known.note.lastModified;
    if (validator !== undefined) headers['if-range'] = validator;
  }
  const { request } = await import('undici');
  const { statusCode, headers: answer, body } = await request(url, { dispatcher, signal, headers });

  const complete = known !== undefined && statusCode === 416 && known.size === known.note.total;
  if (statusCode !== 200 && statusCode !== 206 && !complete) {
    await body.dump().catch(() => undefined);
    throw new HttpStatusError(statusCode);
  }
  const range = statusCode === 206 ? parseContentRange(header(answer, 'content-range')) : undefined;
  const note: Validators = {
    url: url.href,
    etag: header(answer, 'etag'),
    lastModified: header(answer, 'last-modified'),
    total: complete ? known.note.total : range ? range.total : contentLength(answer),
  };
  if (statusCode === 206 && !(known && range && continues(known, range.start, note))) {
    // Another file than the one begun: forget the part, the next attempt starts at the first byte.
    await body.dump().catch(() => undefined);
    await discardPart(destination);
    throw new HttpStatusError(416);
  }

  const resumedAt = known && statusCode !== 200 ? known.size : 0;
  const hash = createHash('sha256');
  if (resumedAt > 0) {
    for await (const chunk of createReadStream(partPath(destination))) hash.update(chunk as Buffer);
  } else {
    await writeFile(notePath(destination), JSON.stringify(note));
  }
  await checkRoom(destination, note.total === undefined ? 0 : note.total - resumedAt);

  const file = await open(partPath(destination), resumedAt > 0 ? 'r+' : 'w');
  let received = resumedAt;
  try {
    onProgress(received, note.total);
    if (complete) await body.dump().catch(() => undefined);
    else {
      for await (const chunk of body as AsyncIterable<Buffer>) {
        await writeAll(file, chunk, received);
        hash.update(chunk);
        received += chunk.length;
        onProgress(received, note.total);
      }
    }
    await file.sync();
  } finally {
    await file.close();
  }
  if (note.total !== undefined && received !== note.total) {
    const problem = `the connection ended after ${received} of ${note.total} bytes`;
    throw Object.assign(new Error(problem), { code: 'ECONNRESET' });
  }
  return { digest: hash.digest('hex'), resumed: resumedAt > 0 };
}

async function writeAll(
  file: Awaited<ReturnType<typeof open>>,
  chunk: Buffer,
  position: number,
): Promise<void> {
  let written = 0;
  while (written < chunk.length) {
    const result = await file.write(chunk, written, chunk.length - written, position + written);
    written += result.bytesWritten;
  }
}

/** The part of an earlier attempt at the same URL, where it can be continued. */
async function readPart(
  url: URL,
  destination: string,
): Promise<{ size: number; note: Validators } | undefined> {
  try {
    const { size } = await stat(partPath(destination));
    const note = JSON.parse(await readFile(notePath(destination), 'utf8')) as Validators;
    const recognisable = note.etag !== undefined || note.lastModified !== undefined;
    return size > 0 && note.url === url.href && recognisable ? { size, note } : undefined;
  } catch {
    // No part, or a note that was cut off while it was written: start anew.
    return undefined;
  }
}

function continues(
  known: { size: number; note: Validators },
  start: number,
  note: Validators,
): boolean {
  const { etag, lastModified, total } = known.note;
  return (
    start === known.size &&
    (etag === undefined || note.etag === undefined || etag === note.etag) &&
    (lastModified === undefined ||
      note.lastModified === undefined ||
      lastModified === note.lastModified) &&
    (total === undefined || note.total === undefined || total === note.total)
  );
}

function header(
  headers: Record<string, string | string[] | undefined>,
  name: string,
): string | undefined {
  const value = headers[name];
  return Array.isArray(value) ? value[0] : value;
}

function contentLength(headers: Record<string, string | string[] | undefined>): number | undefined {
  const length = Number(header(headers, 'content-length') ?? NaN);
  // A server that compresses although asked not to announces the compressed size.
  const encoding = header(headers, 'content-encoding') ?? 'identity';
  return Number.isSafeInteger(length) && encoding === 'identity' ? length : undefined;
}

function parseContentRange(
  value: string | undefined,
): { start: number; total: number | undefined } | undefined {
  const match = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(value ?? '');
  if (!match) return undefined;
  return { start: Number(match[1]), total: match[2] === '*' ? undefined : Number(match[2]) };
}

async function checkRoom(destination: string, needed: number): Promise<void> {
  const { bavail, bsize } = await statfs(dirname(destination));
  const free = bavail * bsize;
  if (needed > free) {
    const megabytes = (bytes: number): string => `${Math.ceil(bytes / 1e6)} MB`;
    throw new DiskFullError(
      `the disk is full: ${dirname(destination)} has ${megabytes(free)} left, ${megabytes(needed)} are needed`,
    );
  }
}
