/** Which image an annotation file is about: sets of several parts have images of one name in all of them. */
import { readdir } from 'node:fs/promises';
import { basename, dirname, join, relative } from 'node:path';
import { byName, foldersBelow, isImageName, splitOfName, stemOf } from './reader';

/** The image, or why none can be said to be it. */
export type FoundImage = { readonly path: string } | { readonly reason: string };

/** What folders of images are called beside `Annotations`. */
const usualFolder = /^(jpeg|png)?(images?|imgs?)$/i;

/** Parts of a path; none for the folder itself. */
function partsOf(path: string): string[] {
  return path.split(/[/\\]/).filter((part) => part !== '' && part !== '.');
}

/** Whether two lists are the same but for one part, which either may lack. */
function differInOnePart(mine: readonly string[], theirs: readonly string[]): boolean {
  let start = 0;
  while (start < mine.length && start < theirs.length && mine[start] === theirs[start]) start++;
  let end = 0;
  const shorter = Math.min(mine.length, theirs.length) - start;
  while (end < shorter && mine.at(-1 - end) === theirs.at(-1 - end)) end++;
  const [left, right] = [mine.length - start - end, theirs.length - start - end];
  return left <= 1 && right <= 1 && left + right > 0;
}

/** `train/Annotations` and `train/JPEGImages`, `labels/train` and `images/train`; not `train` and `valid`. */
function areSiblings(mine: readonly string[], theirs: readonly string[]): boolean {
  const sameSplit = splitOfName(mine.join('/')) === splitOfName(theirs.join('/'));
  return sameSplit && differInOnePart(mine, theirs);
}

/** The split of a folder and that of another, as far as their names tell, are not two. */
function mayBelong(mine: readonly string[], theirs: readonly string[]): boolean {
  const [one, other] = [splitOfName(mine.join('/')), splitOfName(theirs.join('/'))];
  return one === undefined || other === undefined || one === other;
}

function push(map: Map<string, string[]>, key: string, path: string): void {
  const known = map.get(key);
  if (known) known.push(path);
  else map.set(key, [path]);
}

/** All images of a data set by name. */
export class VocImages {
  readonly #byFile = new Map<string, string[]>();
  readonly #byStem = new Map<string, string[]>();
  readonly #xmlByStem = new Map<string, string[]>();

  private constructor(
    /** The folder that annotations lie in. */
    private readonly root: string,
    /** The folder that images lie in. */
    private readonly base: string,
    xml: readonly string[],
  ) {
    for (const file of xml) push(this.#xmlByStem, stemOf(file), file);
  }

  static async find(
    root: string,
    xml: readonly string[],
    imageDir: string | undefined,
  ): Promise<VocImages> {
    const images = new VocImages(root, imageDir ?? root, xml);
    for (const folder of await foldersBelow(images.base, 3)) {
      // Masks bear the images' names.
      if (/^Segmentation/i.test(basename(folder))) continue;
      const names = await readdir(folder).catch(() => []);
      for (const name of names.filter(isImageName).sort(byName)) images.#add(join(folder, name));
    }
    return images;
  }

  #add(path: string): void {
    push(this.#byFile, basename(path), path);
    push(this.#byStem, stemOf(path), path);
  }

  /** The file's name; with its folders where other images are called the same. */
  nameOf(path: string): string {
    const name = basename(path);
    return (this.#byFile.get(name)?.length ?? 0) > 1 ? relative(this.base, path) : name;
  }

  /**
   * Looked for beside the annotation file, then in the folder of images that belongs to its folder, then anywhere.
   *
   * @param filename what the annotations call the image
   */
  of(filename: string | undefined, xml: string): FoundImage {
    const written = partsOf(filename ?? '');
    const mine = partsOf(relative(this.root, dirname(xml)));
    // Files are renamed more often than what they hold: the annotation file's own name counts too.
    const lists = [
      this.#byFile.get(written.at(-1) ?? '') ?? [],
      this.#byStem.get(stemOf(xml)) ?? [],
    ];
    for (const paths of lists) {
      const own = paths.find((path) => this.#folderOf(path).join('/') === mine.join('/'));
      if (own !== undefined) return { path: own };
    }
    for (const paths of lists) {
      const found = this.#beside(paths, mine);
      if (found) return found;
    }
    for (const paths of lists) {
      const found = this.#anywhere(paths, mine, { written, xml });
      if (found) return found;
    }
    return { reason: 'is not there' };
  }

  #folderOf(path: string): string[] {
    return partsOf(relative(this.base, dirname(path)));
  }

  #show(paths: readonly string[]): string {
    const names = paths.slice(0, 3).map((path) => relative(this.base, path));
    return names.join(', ');
  }

  #beside(paths: readonly string[], mine: readonly string[]): FoundImage | undefined {
    const hasOwn = (path: string) =>
      this.#xmlByStem.get(stemOf(path))?.some((file) => dirname(file) === dirname(path)) === true;
    const siblings = paths.filter(
      (path) => areSiblings(mine, this.#folderOf(path)) && !hasOwn(path),
    );
    const usual = siblings.filter((path) =>
      this.#folderOf(path).some((part) => usualFolder.test(part)),
    );
    return this.#only(usual.length > 0 ? usual : siblings);
  }

  /** Names that only one image and one annotation file have say enough, unless they lie with different splits. */
  #anywhere(
    paths: readonly string[],
    mine: readonly string[],
    { written, xml }: { readonly written: readonly string[]; readonly xml: string },
  ): FoundImage | undefined {
    if (paths.length === 0) return undefined;
    const fitting = paths.filter((path) => mayBelong(mine, this.#folderOf(path)));
    if (fitting.length === 0) {
      return { reason: `is not there, only another split's ${this.#show(paths)}` };
    }
    // Some write the folder with the name.
    const exact = fitting.filter((path) =>
      written.every((part, k) => part === partsOf(path).at(k - written.length)),
    );
    if (written.length > 1 && exact.length === 1) return this.#only(exact);
    const [first = ''] = fitting;
    const rivals = this.#xmlByStem
      .get(stemOf(xml))
      ?.filter((file) =>
        mayBelong(partsOf(relative(this.root, dirname(file))), this.#folderOf(first)),
      );
    if (rivals && rivals.length > 1) {
      return {
        reason: `is not there, only ${this.#show(fitting)}, and several files are called ${basename(xml)}`,
      };
    }
    return this.#only(fitting);
  }

  /** Images of one folder differ in their extensions alone; of those in several none is the right one for certain. */
  #only(paths: readonly string[]): FoundImage | undefined {
    const [path] = paths;
    if (path === undefined) return undefined;
    if (paths.every((other) => dirname(other) === dirname(path))) return { path };
    return { reason: `could be any of ${this.#show(paths)}` };
  }
}
