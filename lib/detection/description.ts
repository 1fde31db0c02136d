/** What a `.pt` saved by torchdet carries beside its TorchScript code, and how an archive's kind is judged. */
import type { DetectionConfig, ModuleDescription } from '../../binding';
import { TorchdetError } from '../errors';
import type { DetectorDescription } from '../models/detector-spec';
import type { Calibration } from './precision';

/** Name of the file inside the archive. */
export const DESCRIPTION_FILE = 'torchdet.json';
const FORMAT_VERSION = 1;

/** Facts about a detector that its module does not hold. */
export interface DetectorFacts {
  readonly name: string;
  readonly config: DetectionConfig;
  readonly numClasses?: number;
  readonly categories?: readonly string[];
  /** Names of the keypoints in order, where the model was told. */
  readonly keypointNames?: readonly string[];
  /** Prefixes of the parameters frozen. */
  readonly frozen: readonly string[];
  readonly description?: DetectorDescription;
  /** As read from an archive: what its activations were measured to be. */
  readonly calibration?: Calibration | undefined;
}

export function writeDescription(facts: DetectorFacts): string {
  return JSON.stringify({ format: 'torchdet', version: FORMAT_VERSION, ...facts });
}

function readDescription(path: string, text: string): DetectorFacts {
  let parsed: Partial<DetectorFacts> & { format?: unknown; version?: unknown };
  try {
    parsed = JSON.parse(text) as typeof parsed;
  } catch (cause) {
    throw new TorchdetError(
      'ERR_ARCHIVE_FORMAT',
      `${path}: its ${DESCRIPTION_FILE} is not JSON; the file is damaged.`,
      { cause },
    );
  }
  if (parsed.format !== 'torchdet' || typeof parsed.version !== 'number' || !parsed.config) {
    throw new TorchdetError(
      'ERR_ARCHIVE_FORMAT',
      `${path}: its ${DESCRIPTION_FILE} does not describe a detector.`,
    );
  }
  if (parsed.version > FORMAT_VERSION) {
    throw new TorchdetError(
      'ERR_ARCHIVE_FORMAT',
      `${path}: written by a newer torchdet (format ${parsed.version}, this one reads up to ${FORMAT_VERSION}).`,
    );
  }
  return {
    ...parsed,
    name: parsed.name ?? path,
    config: parsed.config,
    frozen: parsed.frozen ?? [],
  };
}

/**
 * What to do with a loaded archive.
 *
 * @throws TorchdetError ERR_ARCHIVE_UNSUPPORTED where it is no detector, saying what it is and what was expected.
 */
export function factsOfArchive(path: string, archive: ModuleDescription): DetectorFacts {
  const text = archive.extraFiles[DESCRIPTION_FILE];
  if (text !== undefined) return readDescription(path, text);
  const name = archive.typeName.split('.').at(-1) ?? 'archive';
  if ((archive.kind === 'rcnn' || archive.kind === 'dense') && archive.config)
    return { name, config: archive.config, frozen: [] };
  if (archive.kind === 'detector') return { name, config: { kind: 'forward' }, frozen: [] };
  const found = archive.forwardSchema
    ? `a ${archive.typeName} whose forward is ${archive.forwardSchema}`
    : `a ${archive.typeName} without a forward method`;
  throw new TorchdetError(
    'ERR_ARCHIVE_UNSUPPORTED',
    `${path} holds ${found}. Expected is a detector as torchvision's are scripted: ` +
      'forward(images: List[Tensor]) that returns detections (List[Dict[str, Tensor]] with boxes, labels and scores).',
  );
}
