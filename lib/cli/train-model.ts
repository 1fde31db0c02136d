/** The detector that a training run starts from. */
import { readFileSync } from 'node:fs';
import {
  type Backbone,
  mobileNetFpn,
  MOBILENET_NAMES,
  resnetFpn,
  RESNET_NAMES,
  vggFpn,
  VGG_NAMES,
} from '../backbones';
import type { Dataset } from '../data/dataset';
import { describeByName } from '../detection/opening';
import { Detector } from '../detector';
import { nearestName } from '../errors';
import { detectorFromDescription } from '../models';
import type { DetectorDescription, DetectorSpec } from '../models/detector-spec';
import { PYRAMID_FAMILIES } from '../models/from-description';
import { isModelName } from '../models/registry';
import { DEFAULT_WEIGHTS } from '../runtime/addons';
import { isFile, looksLikePath } from './detector-plan';
import type { TrainOptions } from './train-options';
import { UsageError } from './usage-error';

/** Which detector to make, and what to put into it. */
export interface ModelPlan {
  readonly spec: DetectorSpec;
  readonly weights?: string;
  readonly backboneWeights?: string;
}

/** What images are resized to for MobileNets, which are chosen for speed: torchvision's 800 and 1333 take three times as long. */
const MOBILE_SIZES = { minSize: 480, maxSize: 800 };

/** faster-rcnn, faster_rcnn and fasterRcnn are the same. */
const plain = (name: string) => name.replace(/[-_]/g, '').toLowerCase();

function familyOf(name: string) {
  const found = Object.keys(PYRAMID_FAMILIES).find((family) => plain(family) === plain(name));
  if (found !== undefined) return PYRAMID_FAMILIES[found];
  const hint = isModelName(name) ? ` "${name}" has its backbone: leave out --backbone.` : '';
  throw new UsageError(
    `--model ${name} with --backbone must be one of ${Object.keys(PYRAMID_FAMILIES).join(', ')}.${hint}`,
  );
}

/** Options of a model that have a flag of their own. */
function sizes({ minSize, maxSize }: TrainOptions): Record<string, unknown> {
  return {
    ...(minSize !== undefined && { minSize }),
    ...(maxSize !== undefined && { maxSize }),
  };
}

/**
 * A backbone with a pyramid. Without weights its norms measure and all of it trains. MobileNets get levels of stride 8, 16 and 32 and
 * narrower maps: torchvision's default, two maps of stride 32, misses small objects.
 */
function backboneOf(options: TrainOptions): Backbone {
  const { backbone: name = '', trainableLayers, backboneOptions = {} } = options;
  const pretrained = options.weights !== undefined || options.backboneWeights !== undefined;
  const common = pretrained ? {} : { norm: 'batch' as const };
  const layers = trainableLayers === undefined ? {} : { trainableLayers };
  const mobile = MOBILENET_NAMES.find((known) => known === name);
  if (mobile) {
    const levels = {
      returnedLayers: [2, 3, 5],
      outChannels: 128,
      trainableLayers: pretrained ? 4 : 6,
    };
    return mobileNetFpn(mobile, { ...levels, ...common, ...layers, ...backboneOptions });
  }
  const resnet = RESNET_NAMES.find((known) => known === name);
  if (resnet) {
    const all = pretrained ? {} : { trainableLayers: 5 };
    return resnetFpn(resnet, { ...all, ...common, ...layers, ...backboneOptions });
  }
  const vgg = VGG_NAMES.find((known) => known === name);
  if (vgg) return vggFpn(vgg, { ...common, ...layers, ...backboneOptions });
  const known = [...MOBILENET_NAMES, ...RESNET_NAMES, ...VGG_NAMES];
  const nearest = nearestName(name, known);
  const hint = nearest === undefined ? `Known: ${known.join(', ')}.` : `Did you mean "${nearest}"?`;
  throw new UsageError(`--backbone ${name}: no backbone is called so. ${hint}`);
}

/** Two sizes of anchors per level, from 4 times its stride on. */
function anchorsFor({ strides }: Backbone) {
  const sizesPerLevel = strides.map((stride) => [4 * stride, Math.round(4 * Math.SQRT2 * stride)]);
  return { sizes: sizesPerLevel, aspectRatios: [0.5, 1, 2] };
}

/** A description, as config.json and archives have it, with the data set's classes. */
function describedInFile(path: string, options: TrainOptions, classes: ClassFacts): DetectorSpec {
  let description: Partial<DetectorDescription>;
  try {
    description = JSON.parse(readFileSync(path, 'utf8')) as typeof description;
  } catch (error) {
    throw new UsageError(`--model ${path}: ${(error as Error).message}`);
  }
  const { builder, backbone } = description;
  if (typeof builder !== 'string' || typeof backbone !== 'object') {
    throw new UsageError(
      `--model ${path}: it must hold { "builder", "options", "backbone" }, as the "description" in a run's config.json.`,
    );
  }
  const given = { ...description.options, ...sizes(options), ...options.modelOptions, ...classes };
  return detectorFromDescription({ builder, backbone, options: given });
}

interface ClassFacts {
  readonly numClasses: number;
}

/** Whether `--model` is an archive, which is trained further as it is. */
export function isArchive(model: string | undefined): model is string {
  if (model === undefined || isModelName(model) || model.endsWith('.json')) return false;
  if (isFile(model)) return true;
  if (looksLikePath(model)) throw new UsageError(`--model ${model}: no such file.`);
  return false;
}

/** Options that describe a model or fill it, by their flags. */
const MODEL_FLAGS = {
  backbone: '--backbone',
  weights: '--weights',
  backboneWeights: '--backbone-weights',
  minSize: '--min-size',
  maxSize: '--max-size',
  trainableLayers: '--trainable-layers',
  modelOptions: '--model-options',
  backboneOptions: '--backbone-options',
} as const;

/**
 * Refuses what an archive would not heed: it would be missed only after the training.
 *
 * @throws UsageError
 */
export function checkArchiveOptions(archive: string, options: TrainOptions): void {
  const names = Object.keys(MODEL_FLAGS) as (keyof typeof MODEL_FLAGS)[];
  const given = names.filter((name) => options[name] !== undefined);
  if (given.length === 0) return;
  const flags = given.map((name) => MODEL_FLAGS[name]).join(', ');
  throw new UsageError(
    `--model ${archive} is an archive, whose weights and settings stay its own: leave out ${flags}.`,
  );
}

/** Number and names of the keypoints that a keypoint head is to find: the data set's. */
function keypointsOf(model: string | undefined, { keypointCount, categories }: KeypointFacts) {
  if (keypointCount === 0 || !plain(model ?? '').startsWith('keypointrcnn')) return {};
  const names = categories.find(({ keypoints }) => keypoints)?.keypoints;
  const named = names?.length === keypointCount ? { keypointNames: names } : {};
  return { numKeypoints: keypointCount, ...named };
}

/** What heads depend on. */
type KeypointFacts = Pick<Dataset, 'keypointCount' | 'categories'>;

/**
 * Describes the detector that the options ask for, with heads for a data set's classes and keypoints.
 *
 * @param data its names count the background
 * @throws UsageError; TorchdetError ERR_MODEL_UNKNOWN, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function planModel(
  options: TrainOptions,
  data: KeypointFacts & Pick<Dataset, 'names'>,
): ModelPlan {
  const numClasses = data.names.length;
  const { model, backbone, weights, backboneWeights, trainableLayers } = options;
  const given = {
    ...(weights !== undefined && { weights }),
    ...(backboneWeights !== undefined && { backboneWeights }),
  };
  const keypoints = keypointsOf(options.model, data);
  const settings = { ...keypoints, ...sizes(options), ...options.modelOptions };
  if (backbone !== undefined) {
    const body = backboneOf(options);
    const family = familyOf(model ?? 'fasterRcnn');
    const isRcnn = plain(model ?? 'fasterRcnn').endsWith('rcnn');
    const anchors = isRcnn ? { rpnAnchorGenerator: anchorsFor(body) } : {};
    const small = MOBILENET_NAMES.some((name) => name === backbone) ? MOBILE_SIZES : {};
    const all = { ...anchors, ...small, ...settings, numClasses, backbone: body };
    const spec = family?.(all as never);
    if (!spec) throw new Error('a family was found');
    return { spec, ...given };
  }
  if (options.backboneOptions !== undefined) {
    throw new UsageError('--backbone-options is for a backbone that --backbone names.');
  }
  if (model?.endsWith('.json')) {
    if (!isFile(model)) throw new UsageError(`--model ${model}: no such file.`);
    if (trainableLayers !== undefined) {
      throw new UsageError(
        `--model ${model} says itself which layers train ("trainableLayers" among its backbone's options): leave out --trainable-layers.`,
      );
    }
    return { spec: describedInFile(model, options, { numClasses }), ...given };
  }
  const isSmall = model === undefined || model === 'small';
  const start = isSmall && Object.keys(given).length === 0 ? { weights: DEFAULT_WEIGHTS } : given;
  const layers = trainableLayers === undefined ? {} : { trainableBackboneLayers: trainableLayers };
  const spec = describeByName(model ?? 'small', start, { ...layers, ...settings, numClasses });
  return { spec, ...start };
}

/** Makes it. */
export function createModel(
  plan: ModelPlan,
  options: {
    readonly categories: readonly string[];
    readonly device: string;
    readonly seed: number;
    readonly signal?: AbortSignal;
    readonly onProgress: (received: number, total: number | undefined) => void;
    readonly onMessage: (message: string) => void;
  },
): Promise<Detector> {
  const { spec, ...weights } = plan;
  return Detector.create(spec, { ...options, ...weights });
}
