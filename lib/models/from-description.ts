import { mobileNet, mobileNetFpn, resnetFpn, vggFpn } from '../backbones';
import type {
  Backbone,
  BackboneDescription,
  MobileNetName,
  ResnetName,
  VggName,
} from '../backbones';
import { TorchdetError } from '../errors';
import type { DetectorDescription, DetectorSpec } from './detector-spec';
import { fasterRcnn } from './rcnn/faster-rcnn';
import type { FasterRcnnOptions } from './rcnn/faster-rcnn-options';
import { buildModel } from './registry';

/**
 * Describes a detector once more from what an archive carries. The names and options in it are checked as any other.
 *
 * @throws TorchdetError ERR_MODEL_UNKNOWN, ERR_OPTION_VALUE, ERR_OPTION_UNKNOWN; ERR_INVALID_ARGUMENT for a backbone of
 * one's own, which only its maker can describe
 */
export function detectorFromDescription(description: DetectorDescription): DetectorSpec {
  const { builder, options, backbone } = description;
  if (builder !== 'fasterRcnn') return buildModel(builder, options);
  // What a file says has no type; fasterRcnn checks every value.
  const given = { ...options, backbone: describedBackbone(backbone) } as unknown;
  return fasterRcnn(given as FasterRcnnOptions);
}

function describedBackbone({ builder, name, options }: BackboneDescription): Backbone {
  switch (builder) {
    case 'resnetFpn':
      return resnetFpn(name as ResnetName, options);
    case 'mobileNetFpn':
      return mobileNetFpn(name as MobileNetName, options);
    case 'mobileNet':
      return mobileNet(name as MobileNetName, options);
    case 'vggFpn':
      return vggFpn(name as VggName, options);
    default:
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `Backbone "${name}" was made by "${builder}", not by torchdet: describe the detector with fasterRcnn and that backbone.`,
      );
  }
}
