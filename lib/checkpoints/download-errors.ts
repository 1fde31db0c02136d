import { TorchdetError } from '../errors';

/** An answer that is neither the file nor a part of it. */
export class HttpStatusError extends Error {
  constructor(readonly status: number) {
    super(`the server answered with status ${status}`);
  }
}

/** The folder has no room for what the server announced. */
export class DiskFullError extends Error {
  readonly code = 'ENOSPC';
}

interface CodedError {
  code?: string;
  message?: string;
  cause?: unknown;
  errors?: unknown[];
}

/** The error and what it wraps (causes, and the members of an AggregateError), outermost first. */
function chain(error: unknown): CodedError[] {
  const found: CodedError[] = [];
  const pending: unknown[] = [error];
  while (pending.length > 0 && found.length < 10) {
    const next = pending.shift();
    if (typeof next !== 'object' || next === null) continue;
    const coded = next as CodedError;
    found.push(coded);
    pending.push(coded.cause, ...(coded.errors ?? []));
  }
  return found;
}

/** Failures that pass: connections that broke or stalled, and busy servers. Wrong names, refusals and 404 stay. */
export function canRetry(error: unknown): boolean {
  if (error instanceof HttpStatusError) {
    return [408, 416, 425, 429].includes(error.status) || error.status >= 500;
  }
  const passing = [
    'ECONNRESET',
    'EPIPE',
    'ETIMEDOUT',
    'ENETRESET',
    'UND_ERR_SOCKET',
    'UND_ERR_BODY_TIMEOUT',
    'UND_ERR_HEADERS_TIMEOUT',
    'UND_ERR_CONNECT_TIMEOUT',
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  ];
  return chain(error).some(({ code }) => code !== undefined && passing.includes(code));
}

/** The reason in a few words that somebody who did not write the program can act on. */
export function describeFailure(error: unknown, url: URL): string {
  if (error instanceof HttpStatusError) return describeStatus(error.status);
  const errors = chain(error);
  const codes = errors.map(({ code }) => code);
  const proxy = proxyNote(url);
  const has = (...wanted: string[]): boolean => wanted.some((code) => codes.includes(code));

  if (has('ENOSPC', 'EDQUOT')) {
    const note = errors.find((e) => e instanceof DiskFullError)?.message;
    return note ?? 'the disk is full';
  }
  if (has('EACCES', 'EPERM', 'EROFS'))
    return `the folder cannot be written to (${firstMessage(errors)})`;
  if (has('ENOTDIR', 'EEXIST', 'EISDIR')) {
    return `the place to put it is not usable (${firstMessage(errors)})`;
  }
  if (has('ENOTFOUND', 'EAI_AGAIN')) {
    return `the name ${url.hostname} could not be resolved: no network, or no DNS${proxy}`;
  }
  if (has('ECONNREFUSED')) return `the connection was refused${proxy}`;
  if (has('ENETUNREACH', 'EHOSTUNREACH')) return `the host cannot be reached${proxy}`;
  if (
    has('UND_ERR_CONNECT_TIMEOUT', 'ETIMEDOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT')
  ) {
    return `the server did not answer in time${proxy}`;
  }
  if (codes.some((code) => code !== undefined && /CERT|SELF_SIGNED|SSL|TLS/.test(code))) {
    return (
      `the server's certificate was not accepted (${firstMessage(errors)}); ` +
      `behind an inspecting proxy name its certificate in NODE_EXTRA_CA_CERTS${proxy}`
    );
  }
  return `${errors.at(-1)?.message ?? String(error)}${proxy}`;
}

function firstMessage(errors: readonly CodedError[]): string {
  return errors.find(({ message }) => message)?.message ?? 'no reason given';
}

function describeStatus(status: number): string {
  if (status === 404 || status === 410) return `there is no such file (status ${status})`;
  if (status === 401 || status === 403) return `the server refused access (status ${status})`;
  if (status === 407) return 'the proxy wants a user name and a password (status 407)';
  if (status === 429) return 'the server is being asked too often (status 429)';
  if (status >= 500) return `the server is in trouble (status ${status})`;
  return `the server answered with status ${status}`;
}

/** Names the proxy in use without its user name and password. */
function proxyNote(url: URL): string {
  const names =
    url.protocol === 'https:'
      ? ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY']
      : ['http_proxy', 'HTTP_PROXY'];
  const name = names.find((candidate) => process.env[candidate]);
  if (name === undefined) return '';
  const value = process.env[name] ?? '';
  const host = URL.canParse(value) ? new URL(value).host : 'something that is not a URL';
  return ` (the environment's ${name} names ${host})`;
}

/** The URL without a user name and password, for messages. */
export function shownUrl(url: URL): string {
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  return shown.href;
}

export function downloadError(
  url: URL,
  destination: string,
  reason: string,
  hint: string,
  cause: unknown,
): TorchdetError {
  return new TorchdetError(
    'ERR_DOWNLOAD',
    `${shownUrl(url)} could not be downloaded to ${destination}: ${reason}. ${hint}`,
    { cause },
  );
}
