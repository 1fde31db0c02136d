import { nearestName, TorchdetError } from '../../errors';
import catalogue from './catalogue.json';

/** Published weights: what torchvision's `…_Weights` enums say about them. */
export interface WeightsEntry {
  /** torchvision's name, for example `FasterRCNN_ResNet50_FPN_Weights.COCO_V1`. */
  readonly name: string;
  /** The builder they belong to, for example `fasterrcnn_resnet50_fpn`. */
  readonly model: string;
  /** Short names that will do together with the model: `COCO_V1`, `DEFAULT`. */
  readonly aliases: readonly string[];
  /** detection: a whole detector; classification: an ImageNet classifier, for backbones. */
  readonly task: 'detection' | 'classification';
  readonly url: string;
  /** First hex digits of the file's SHA-256. */
  readonly sha256Prefix: string;
  /** Bytes, as published: rounded to a thousandth of a megabyte. */
  readonly fileSize: number;
  readonly numParams: number;
  /** Multiply-adds of one image in units of 10^9. */
  readonly gigaFlops: number;
  /** What the metrics were measured on: `COCO-val2017`, `ImageNet-1K`. */
  readonly dataset: string;
  /** AP at IoU 0.50:0.95 in percent, of boxes, masks and keypoints; accuracies in percent. */
  readonly metrics: {
    readonly boxAp?: number;
    readonly maskAp?: number;
    readonly keypointAp?: number;
    readonly top1?: number;
    readonly top5?: number;
  };
  /** Where the training is described. */
  readonly recipe: string;
  /** Detection: the names of the labels, label 0 (`__background__`, `no person`) first; unused COCO numbers are `N/A`. */
  readonly categories?: readonly string[];
  /** Keypoint R-CNN: the names of the keypoints in order. */
  readonly keypointNames?: readonly string[];
  /** eps of the frozen batch normalisation, where it is not the default: the weights were trained with it. */
  readonly frozenNormEps?: number;
}

const lists: Readonly<Record<string, readonly string[]>> = catalogue.lists;

const entries: readonly WeightsEntry[] = catalogue.weights.map(
  ({ categories, keypointNames, ...entry }) => ({
    ...(entry as Omit<WeightsEntry, 'categories' | 'keypointNames'>),
    ...(categories === undefined ? {} : { categories: lists[categories] ?? [] }),
    ...(keypointNames === undefined ? {} : { keypointNames: lists[keypointNames] ?? [] }),
  }),
);

/** Names of COCO's 91 labels as torchvision numbers them: `__background__` first, `N/A` where COCO skips a number. */
export const cocoCategories: readonly string[] = lists.coco91 ?? [];

/** All published weights torchdet knows: torchvision's detectors and the classifiers their backbones start from. */
export function listWeights(): readonly WeightsEntry[] {
  return entries;
}

/**
 * Published weights by name: torchvision's full name (`FasterRCNN_ResNet50_FPN_Weights.COCO_V1`), or a short one
 * (`COCO_V1`, `DEFAULT`) together with the model's.
 *
 * @param model torchvision's builder, for example `fasterrcnn_resnet50_fpn`
 * @throws TorchdetError ERR_MODEL_UNKNOWN where a model is named that has no published weights; ERR_OPTION_VALUE where
 *   the weights are unknown, belong to another model, or a short name comes without one
 */
export function findWeights(name: string, model?: string): WeightsEntry {
  const models = new Set(entries.map((entry) => entry.model));
  if (model !== undefined && !models.has(model)) {
    throw unknown(
      'ERR_MODEL_UNKNOWN',
      `There are no published weights for "${model}".`,
      model,
      models,
    );
  }
  const dot = name.indexOf('.');
  const className = dot < 0 ? undefined : name.slice(0, dot);
  const alias = name.slice(dot + 1).toUpperCase();
  const byName = entries.filter((entry) =>
    className === undefined
      ? entry.model === model
      : entry.name.split('.')[0]?.toLowerCase() === className.toLowerCase(),
  );
  const found = byName.find(({ aliases }) => aliases.includes(alias));
  if (found === undefined) {
    if (model === undefined && className === undefined && isAlias(name)) {
      throw new TorchdetError(
        'ERR_OPTION_VALUE',
        `"${name}" names weights only together with a model; without one give the full name, for example "${entries[0]?.name ?? ''}".`,
      );
    }
    const ofModel = entries.filter((entry) => model === undefined || entry.model === model);
    const names = ofModel.flatMap((entry) =>
      className === undefined && model !== undefined ? entry.aliases : [entry.name],
    );
    const place = model === undefined ? '' : ` for ${model}`;
    throw unknown('ERR_OPTION_VALUE', `There are no weights "${name}"${place}.`, name, names);
  }
  if (model !== undefined && found.model !== model) {
    const own = entries.filter((entry) => entry.model === model).map((entry) => entry.name);
    throw new TorchdetError(
      'ERR_OPTION_VALUE',
      `${found.name} are weights of ${found.model}, not of ${model}, which has ${own.join(', ')}.`,
    );
  }
  return found;
}

function isAlias(name: string): boolean {
  return entries.some(({ aliases }) => aliases.includes(name.toUpperCase()));
}

function unknown(
  code: 'ERR_MODEL_UNKNOWN' | 'ERR_OPTION_VALUE',
  problem: string,
  name: string,
  candidates: Iterable<string>,
): TorchdetError {
  const known = [...new Set(candidates)];
  const nearest = nearestName(name, known);
  const hint =
    nearest !== undefined
      ? ` Did you mean "${nearest}"?`
      : known.length <= 40
        ? ` Known: ${known.join(', ')}.`
        : '';
  return new TorchdetError(code, problem + hint);
}
