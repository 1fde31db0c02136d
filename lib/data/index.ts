/** Data sets: opening, checking and converting them. */
export { checkDataset, type CheckOptions, type ClassCount, type DatasetReport } from './check';
export { convertDataset, type Conversion, type ConvertOptions, type TargetFormat } from './convert';
export type {
  Category as DatasetCategory,
  DataFormat,
  Dataset,
  Entry as DatasetEntry,
  Segmentation,
} from './dataset';
export { joinDatasets, type JoinDatasetsOptions } from './join';
export * from './loader-api';
export { mergeDatasets, type MergeOptions, type Merger } from './merge';
export { entryMasks, rasterize, segmentationRle } from './masks';
export { datasetSplits, openDataset, type OpenOptions } from './open';
export {
  describeProblem,
  type OnProblem,
  type Problem as DatasetProblem,
  type ProblemKind,
} from './problems';
