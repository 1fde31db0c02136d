/** COCO's 17 keypoints of people, by the names of torchvision's weights. */
import { listWeights } from '../models/weights';

/** Names in order, from `nose` to `right_ankle`. */
export const cocoKeypoints: readonly string[] =
  listWeights().find(({ keypointNames }) => keypointNames !== undefined)?.keypointNames ?? [];

/** Names of `count` keypoints: those given, else COCO's where it has as many. */
export function namesOfKeypoints(
  count: number,
  given: readonly string[] | undefined,
): readonly string[] | undefined {
  if (given?.length === count) return given;
  return count === cocoKeypoints.length ? cocoKeypoints : undefined;
}
