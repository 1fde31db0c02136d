/**
 * Codes carried by {@link TorchdetError}. They are part of the public API: programs branch on them, messages may change.
 */
export type ErrorCode =
  | 'ERR_ABORTED'
  | 'ERR_ARCHIVE_FORMAT'
  | 'ERR_ARCHIVE_UNSUPPORTED'
  | 'ERR_BACKBONE_MISMATCH'
  | 'ERR_CALIBRATION'
  | 'ERR_CHECKPOINT_FORMAT'
  | 'ERR_CHECKPOINT_UNSAFE'
  | 'ERR_CHECKSUM'
  | 'ERR_COMPILE'
  | 'ERR_CUDA_LIBRARY'
  | 'ERR_DATASET'
  | 'ERR_DEVICE'
  | 'ERR_DISPOSED'
  | 'ERR_DOWNLOAD'
  | 'ERR_FILE'
  | 'ERR_IMAGE_CORRUPT'
  | 'ERR_IMAGE_FORMAT'
  | 'ERR_IMAGE_TOO_LARGE'
  | 'ERR_INVALID_ARGUMENT'
  | 'ERR_LIBTORCH_CPU'
  | 'ERR_LIBTORCH_INSTALL'
  | 'ERR_LIBTORCH_LOAD'
  | 'ERR_LIBTORCH_NOT_FOUND'
  | 'ERR_LIBTORCH_VERSION'
  | 'ERR_LOSS_NOT_FINITE'
  | 'ERR_MODEL_UNKNOWN'
  | 'ERR_NATIVE'
  | 'ERR_NOT_FINITE'
  | 'ERR_OPTION_UNKNOWN'
  | 'ERR_OPTION_VALUE'
  | 'ERR_OUT_OF_MEMORY'
  | 'ERR_PEER_LOST'
  | 'ERR_PLATFORM'
  | 'ERR_PRECISION'
  | 'ERR_PROCESS_GROUP'
  | 'ERR_STATE_DICT'
  | 'ERR_TARGET';

/**
 * Every error torchdet throws or rejects with, apart from an aborted call, which rejects with its signal's own reason.
 */
export class TorchdetError extends Error {
  /** What went wrong, for programs to branch on. */
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.name = 'TorchdetError';
    this.code = code;
  }
}

/** Levenshtein distance, for suggestions; names are short, so the plain table is enough. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substitution = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substitution, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** The candidate nearest to a misspelt name, or undefined where none is near enough to be meant. */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  let best: string | undefined;
  let bestDistance = Math.max(2, Math.floor(name.length / 2)) + 1;
  for (const candidate of candidates) {
    const distance = editDistance(name.toLowerCase(), candidate.toLowerCase());
    if (distance < bestDistance) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/**
 * Rejects options torchdet does not know: a misspelt option that silently does nothing costs its user hours.
 *
 * @throws TorchdetError ERR_OPTION_UNKNOWN naming the option, the place and the nearest known name; ERR_INVALID_ARGUMENT where
 *   there are no options, which JavaScript callers may forget.
 */
export function rejectUnknownOptions(
  where: string,
  options: object,
  known: readonly string[],
): void {
  const given: unknown = options;
  if (typeof given !== 'object' || given === null) {
    throw new TorchdetError(
      'ERR_INVALID_ARGUMENT',
      `${where}: options must be an object, got ${String(given)}.`,
    );
  }
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const nearest = nearestName(name, known);
    const all =
      known.length === 0 ? 'It takes none.' : `Known options: ${[...known].sort().join(', ')}.`;
    const hint = nearest ? ` Did you mean "${nearest}"?` : ` ${all}`;
    throw new TorchdetError('ERR_OPTION_UNKNOWN', `${where}: unknown option "${name}".${hint}`);
  }
}

/** An option whose value does not fit: names the place, the option, the value and what would be right. */
export function optionError(
  where: string,
  option: string,
  value: unknown,
  expected: string,
): TorchdetError {
  // JSON has no text for undefined, functions and NaN.
  const json = JSON.stringify(value) as string | undefined;
  const shown = typeof value === 'number' || json === undefined ? String(value) : json;
  return new TorchdetError(
    'ERR_OPTION_VALUE',
    `${where}: option "${option}" must be ${expected}, got ${shown}.`,
  );
}
