/** Data sets: opening, checking and converting them. */
export type { Category, DataFormat, Dataset, Entry, Segmentation } from './dataset';
export * from './loader-api';
export { entryMasks, rasterize, segmentationRle } from './masks';
export { datasetSplits, openDataset, type OpenOptions } from './open';
export { describeProblem, type OnProblem, type Problem, type ProblemKind } from './problems';
