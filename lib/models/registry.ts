import { nearestName, TorchdetError } from '../errors';
import { countParameters } from '../nn/module';
import type { DetectorSpec } from './detector-spec';
import { fcosResnet50Fpn } from './fcos/fcos-models';
import { fcosImprvR50Fpn1x } from './fcos/fcos-original-models';
import {
  fasterrcnnMobilenetV3Large320Fpn,
  fasterrcnnMobilenetV3LargeFpn,
  fasterrcnnResnet50Fpn,
  fasterrcnnResnet50FpnV2,
} from './rcnn/faster-rcnn-models';
import { keypointrcnnResnet50Fpn } from './rcnn/keypoint-rcnn-models';
import { maskrcnnResnet50Fpn, maskrcnnResnet50FpnV2 } from './rcnn/mask-rcnn-models';
import { retinanetResnet50Fpn, retinanetResnet50FpnV2 } from './retinanet/retinanet-models';
import { smallDetector } from './small';
import { ssd300Vgg16, ssdlite320MobilenetV3Large } from './ssd/ssd-models';

interface ModelEntry {
  // Each model checks the options it is given: what they may be is in its own builder's type.
  readonly build: (options: never) => DetectorSpec;
  readonly description: string;
  /** Where no published weights say it: as {@link ModelInfo.gigaFlops}, measured by test/oracle/models.py. */
  readonly gigaFlops?: number;
}

/** One entry per model: the name is torchvision's where it has one. */
const MODELS = {
  small: {
    build: smallDetector,
    description:
      'Faster R-CNN, MobileNetV2 and FPN: 13 everyday classes; weights ship with the package',
    gigaFlops: 1.5,
  },
  fasterrcnn_resnet50_fpn: {
    build: fasterrcnnResnet50Fpn,
    description: 'Faster R-CNN, ResNet-50 and FPN',
  },
  fasterrcnn_resnet50_fpn_v2: {
    build: fasterrcnnResnet50FpnV2,
    description: 'Faster R-CNN, ResNet-50 and FPN, improved recipe',
  },
  fasterrcnn_mobilenet_v3_large_fpn: {
    build: fasterrcnnMobilenetV3LargeFpn,
    description: 'Faster R-CNN, MobileNetV3-Large and FPN',
  },
  fasterrcnn_mobilenet_v3_large_320_fpn: {
    build: fasterrcnnMobilenetV3Large320Fpn,
    description: 'Faster R-CNN, MobileNetV3-Large and FPN, for small images',
  },
  maskrcnn_resnet50_fpn: {
    build: maskrcnnResnet50Fpn,
    description: 'Mask R-CNN, ResNet-50 and FPN',
  },
  maskrcnn_resnet50_fpn_v2: {
    build: maskrcnnResnet50FpnV2,
    description: 'Mask R-CNN, ResNet-50 and FPN, improved recipe',
  },
  keypointrcnn_resnet50_fpn: {
    build: keypointrcnnResnet50Fpn,
    description: 'Keypoint R-CNN, ResNet-50 and FPN: people and their keypoints',
  },
  retinanet_resnet50_fpn: {
    build: retinanetResnet50Fpn,
    description: 'RetinaNet, ResNet-50 and FPN',
  },
  retinanet_resnet50_fpn_v2: {
    build: retinanetResnet50FpnV2,
    description: 'RetinaNet, ResNet-50 and FPN, improved recipe',
  },
  fcos_resnet50_fpn: {
    build: fcosResnet50Fpn,
    description: 'FCOS, ResNet-50 and FPN',
  },
  fcos_imprv_r50_fpn_1x: {
    build: fcosImprvR50Fpn1x,
    description:
      "FCOS of its authors' repository, ResNet-50 and FPN; no weights are published for torchdet to fetch",
    gigaFlops: 124.9,
  },
  ssd300_vgg16: {
    build: ssd300Vgg16,
    description: 'SSD, VGG-16, at 300 x 300 pixels',
  },
  ssdlite320_mobilenet_v3_large: {
    build: ssdlite320MobilenetV3Large,
    description: 'SSDlite, MobileNetV3-Large, at 320 x 320 pixels',
  },
} as const satisfies Record<string, ModelEntry>;

export type ModelName = keyof typeof MODELS;

/** Options of the model called `Name`. */
export type ModelOptions<Name extends ModelName> = Parameters<(typeof MODELS)[Name]['build']>[0];

/** A model's name, or one known at run time only. */
export type AnyName = ModelName | (string & Record<never, never>);

/** Options that go with a name; for one known at run time only, the model itself says what does not fit. */
export type NamedOptions<Name extends AnyName> = Name extends ModelName
  ? ModelOptions<Name>
  : object;

export interface ModelInfo {
  readonly name: ModelName;
  /** Parameters of the model as its published weights fill it: frozen norms have none. */
  readonly parameters: number;
  /** Multiply-adds of one square image in units of 10^9, where no published weights say it. */
  readonly gigaFlops?: number;
  readonly description: string;
}

export const MODEL_NAMES = Object.keys(MODELS) as readonly ModelName[];

export function isModelName(name: string): name is ModelName {
  return Object.hasOwn(MODELS, name);
}

/**
 * Describes a model by its name.
 *
 * @throws TorchdetError ERR_MODEL_UNKNOWN with the nearest name; ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN
 */
export function buildModel<Name extends AnyName>(
  name: Name,
  options?: NamedOptions<Name>,
): DetectorSpec {
  const known: string = name;
  if (isModelName(known)) {
    const entry: ModelEntry = MODELS[known];
    return entry.build((options ?? {}) as never);
  }
  const nearest = nearestName(name, MODEL_NAMES);
  const hint = nearest ? `Did you mean "${nearest}"?` : `Known: ${MODEL_NAMES.join(', ')}.`;
  throw new TorchdetError('ERR_MODEL_UNKNOWN', `No model is called "${name}". ${hint}`);
}

/** All models that {@link buildModel} knows. */
export function listModels(): ModelInfo[] {
  return MODEL_NAMES.map((name) => {
    const { description, gigaFlops }: ModelEntry = MODELS[name];
    const parameters = countParameters(buildModel<string>(name, { pretrained: 'detector' }).module);
    return { name, parameters, description, ...(gigaFlops !== undefined && { gigaFlops }) };
  });
}
