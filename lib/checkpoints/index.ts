export { backboneState } from './backbone-state';
export { cachedWeights, cachedWeightsPath, type RemoteWeights } from './cache';
export { classCount } from './head-keys';
export { downloadFile, type DownloadOptions } from './download';
export {
  type MatchedState,
  type MatchOptions,
  matchState,
  type ShapeDifference,
} from './match-state';
export { readCheckpoint, type ReadCheckpointOptions } from './read-checkpoint';
export { readSafetensors, type WritableTensor, writeSafetensors } from './safetensors';
export { type CheckpointKind, sniffCheckpoint } from './sniff';
export { type Checkpoint, type CheckpointTensor, itemSizes } from './types';
