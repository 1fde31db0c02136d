import {
  mobileNet,
  mobileNetFpn,
  resnetFpn,
  ssdLiteMobileNet,
  ssdVgg16,
  vggFpn,
} from '../backbones';
import type {
  Backbone,
  BackboneDescription,
  MobileNetName,
  MobileNetV3Name,
  ResnetName,
  VggName,
} from '../backbones';
import { TorchdetError } from '../errors';
import type { DetectorDescription, DetectorSpec } from './detector-spec';
import { fcos } from './fcos/fcos';
import { fcosOriginal } from './fcos/fcos-original';
import { fasterRcnn } from './rcnn/faster-rcnn';
import { keypointRcnn } from './rcnn/keypoint-rcnn';
import { maskRcnn } from './rcnn/mask-rcnn';
import { buildModel } from './registry';
import { retinaNet } from './retinanet/retinanet';
import { smallDetector } from './small';
import { ssd } from './ssd/ssd';

type Families = Readonly<Record<string, (options: never) => DetectorSpec>>;

/** Families that any backbone with a pyramid suits, by the name of their builder; each checks every option. */
export const PYRAMID_FAMILIES: Families = { fasterRcnn, maskRcnn, keypointRcnn, retinaNet, fcos };

/** What the detector of people that shipped before called itself. */
const person = (): DetectorSpec =>
  smallDetector({
    pretrained: 'detector',
    numClasses: 2,
    categories: ['__background__', 'person'],
  });

const FAMILIES: Families = { ...PYRAMID_FAMILIES, fcosOriginal, ssd, person };

/**
 * Describes a detector once more from what an archive carries. The names and options in it are checked as any other.
 *
 * @throws TorchdetError ERR_MODEL_UNKNOWN, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_INVALID_ARGUMENT for a backbone of
 * one's own, which only its maker can describe
 */
export function detectorFromDescription(description: DetectorDescription): DetectorSpec {
  const { builder, options, backbone } = description;
  const family = Object.hasOwn(FAMILIES, builder) ? FAMILIES[builder] : undefined;
  if (!family) return buildModel(builder, options);
  return family({ ...options, backbone: describedBackbone(backbone, builder) } as never);
}

function describedBackbone(
  { builder, name, options }: BackboneDescription,
  family: string,
): Backbone {
  switch (builder) {
    case 'resnetFpn':
      return resnetFpn(name as ResnetName, options);
    case 'mobileNetFpn':
      return mobileNetFpn(name as MobileNetName, options);
    case 'mobileNet':
      return mobileNet(name as MobileNetName, options);
    case 'vggFpn':
      return vggFpn(name as VggName, options);
    case 'ssdVgg16':
      return ssdVgg16(options);
    case 'ssdLiteMobileNet':
      return ssdLiteMobileNet(name as MobileNetV3Name, options);
    default:
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `Backbone "${name}" was made by "${builder}", not by torchdet: describe the detector with ${family} and that backbone.`,
      );
  }
}
