/** Which of a folder's files are annotations of COCO's kind, and which of them is meant. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { readCoco } from './coco';
import { beginningOf, cocoFolders, cocoImageSplits } from './coco-files';
import {
  byName,
  checkSplit,
  datasetError,
  splitName,
  splitOfName,
  type RawDataset,
  type ReadContext,
  type Source,
} from './reader';

interface Candidate {
  readonly file: string;
  /** What its name, or its folder's, says. */
  readonly split: string | undefined;
}

async function candidatesIn(root: string): Promise<Candidate[]> {
  const candidates: Candidate[] = [];
  for (const folder of cocoFolders(root)) {
    const names = (await readdir(folder).catch(() => [])).filter((name) => /\.json$/i.test(name));
    for (const name of names.sort(byName)) {
      const file = join(folder, name);
      // Captions, and regions without instances, belong to COCO but hold no boxes.
      if (/^(captions|stuff|panoptic|image_info)_/i.test(name)) continue;
      const beginning = await beginningOf(file);
      if (!beginning) continue;
      const inner = relative(root, folder);
      const split = beginning.split ?? splitOfName(name) ?? splitOfName(basename(inner));
      candidates.push({ file, split });
    }
  }
  return tellApart(candidates);
}

/** Of several files of instances each is a split; what they are called says which, where the usual names do not. */
function tellApart(candidates: readonly Candidate[]): Candidate[] {
  const nameOf = ({ file }: Candidate) => /^instances_(.+)\.json$/i.exec(basename(file))?.[1];
  const instances = candidates.filter((candidate) => nameOf(candidate) !== undefined);
  return candidates.map((candidate) => {
    const { file, split } = candidate;
    const name = nameOf(candidate);
    const others = instances.filter((other) => other !== candidate);
    const isTold = split !== undefined && others.every((other) => other.split !== split);
    if (name === undefined || others.length === 0 || isTold) return candidate;
    return { file, split: splitName(name) };
  });
}

/** Of several files those that hold instances, if any: COCO has person_keypoints beside them. */
function preferInstances(candidates: readonly Candidate[]): readonly Candidate[] {
  const instances = candidates.filter(({ file }) => /^instances/i.test(basename(file)));
  return instances.length > 0 ? instances : candidates;
}

function ambiguous(root: string, candidates: readonly Candidate[]): Error {
  const files = candidates.map(({ file }) => relative(root, file)).join(', ');
  const splits = candidates.flatMap(({ split }) => split ?? []);
  const say =
    new Set(splits).size === candidates.length
      ? `Say which split is meant: ${splits.join(', ')}.`
      : 'Open one of them by its path.';
  return datasetError(`${root} has several annotation files: ${files}. ${say}`);
}

class CocoSource implements Source {
  readonly format = 'coco';

  constructor(
    private readonly root: string,
    private readonly candidates: readonly Candidate[],
    private readonly isFolder: boolean,
  ) {}

  async splits(signal?: AbortSignal): Promise<readonly string[]> {
    const named = this.candidates.flatMap(({ split }) => split ?? []);
    if (named.length > 0 && this.isFolder) return [...new Set(named)].sort();
    const [only] = preferInstances(this.candidates);
    return only ? cocoImageSplits(only.file, signal) : [];
  }

  async read(context: ReadContext): Promise<RawDataset> {
    const { split } = context;
    const named = this.candidates.filter((candidate) => candidate.split === split);
    const ofSplit = split !== undefined && named.length > 0 && this.isFolder;
    const fitting = preferInstances(ofSplit ? named : this.candidates);
    const [only, ...others] = fitting;
    if (split !== undefined && !ofSplit && (others.length > 0 || only?.split !== undefined)) {
      checkSplit(this.root, split, await this.splits(context.signal));
    }
    if (!only || others.length > 0) throw ambiguous(this.root, fitting);
    // The file is the split: its images need not say so again.
    const inner = ofSplit ? { ...context, split: undefined } : context;
    return readCoco(only.file, inner, this.isFolder ? this.root : undefined);
  }
}

/** A data set of COCO's kind in a folder, where there is one. */
export async function findCoco(root: string): Promise<Source | undefined> {
  const candidates = await candidatesIn(root);
  return candidates.length === 0 ? undefined : new CocoSource(root, candidates, true);
}

/** A single annotation file; images are looked for beside it. */
export function cocoFileSource(file: string): Source {
  const split = splitOfName(basename(file));
  return new CocoSource(dirname(file), [{ file, split }], false);
}
