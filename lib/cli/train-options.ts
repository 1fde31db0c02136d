/** What `torchdet train` is told. */
import type { AugmentationName } from '../data/augment';
import type { DataFormat } from '../data/dataset';

/** Options of `torchdet train`, as parsed; config.json keeps them under `command`. */
export interface TrainOptions {
  readonly data?: string;
  readonly split?: string;
  /** false for `--no-val`. */
  readonly val?: string | false;
  readonly valSplit?: string;
  readonly valFraction: number;
  readonly format?: DataFormat;
  readonly classes?: string;
  readonly imageDir?: string;

  readonly model?: string;
  readonly backbone?: string;
  readonly modelOptions?: Readonly<Record<string, unknown>>;
  readonly backboneOptions?: Readonly<Record<string, unknown>>;
  readonly weights?: string;
  readonly backboneWeights?: string;
  readonly minSize?: number;
  readonly maxSize?: number;
  readonly trainableLayers?: number;

  readonly out: string;
  readonly resume?: boolean;
  readonly epochs: number;
  readonly batchSize: number;
  readonly accumulate: number;
  readonly optimizer: 'sgd' | 'adamw';
  readonly lr?: number;
  readonly backboneLr?: number;
  readonly momentum: number;
  readonly weightDecay?: number;
  readonly normWeightDecay?: number;
  readonly schedule: 'cosine' | 'multistep' | 'constant';
  readonly milestones?: readonly number[];
  readonly gamma: number;
  readonly warmup?: number;
  readonly augment?: AugmentationName;
  readonly seed: number;
  readonly ema?: boolean | number;
  readonly amp: 'off' | 'bfloat16' | 'float16';
  /** 0: not at all. */
  readonly clipNorm: number;
  readonly patience?: number;
  readonly evalEvery: number;
  readonly bestBy: 'ap' | 'ap50';
  readonly checkpointMinutes: number;
  readonly cache: number;
  readonly workers?: number;
  readonly skipBadImages?: boolean;
  readonly device: string;
}

/** Options that say where things are: kept as absolute paths, so that a run can go on from another folder. */
export const PATH_OPTIONS = [
  'data',
  'val',
  'imageDir',
  'model',
  'weights',
  'backboneWeights',
] as const;
