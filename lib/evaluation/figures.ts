/** COCO's figures from the precision and recall of every class, range of areas and threshold. */
import type { NativeCocoFigures } from '../../binding';
import { TorchdetError } from '../errors';
import type { EvaluatedCategory, EvaluationKind } from './types';

const THRESHOLDS = 10;
const POINTS = 101;

/** Figures for boxes and masks, each from 0 to 1, or -1 where there is no object to find. */
export interface BoxFigures {
  /** Average precision: the mean over IoU thresholds 0.5, 0.55, … 0.95. */
  readonly ap: number;
  /** At a threshold of 0.5. */
  readonly ap50: number;
  /** At a threshold of 0.75. */
  readonly ap75: number;
  /** Objects of at most 32 x 32 pixels. */
  readonly apSmall: number;
  /** 32 x 32 to 96 x 96 pixels. */
  readonly apMedium: number;
  readonly apLarge: number;
  /** Average recall with at most one detection for each image and class. */
  readonly ar1: number;
  /** With at most 10. */
  readonly ar10: number;
  /** With at most 100, as all precisions are. */
  readonly ar100: number;
  readonly arSmall: number;
  readonly arMedium: number;
  readonly arLarge: number;
}

/** Figures for keypoints, with at most 20 detections for each image and class; the thresholds are of object keypoint similarity. */
export interface KeypointFigures {
  readonly ap: number;
  readonly ap50: number;
  readonly ap75: number;
  /** Objects of 32 x 32 to 96 x 96 pixels. */
  readonly apMedium: number;
  readonly apLarge: number;
  readonly ar: number;
  readonly ar50: number;
  readonly ar75: number;
  readonly arMedium: number;
  readonly arLarge: number;
}

/** What stands beside a class's figures. */
export interface ClassCounts extends EvaluatedCategory {
  /** Objects to be found in all images. */
  readonly objects: number;
  /** Detections that were looked at: at most 100 of an image (keypoints: 20). */
  readonly detections: number;
}

/** How precision falls as recall rises. */
export interface PrecisionRecallCurve {
  /** 101 points: 0, 0.01, … 1. */
  readonly recall: Float64Array;
  /** The best precision at that recall or more; 0 where it is not reached, -1 throughout where there is no object. */
  readonly precision: Float64Array;
  /** The score threshold that leads there; 0 where recall is not reached, -1 throughout where there is no object. */
  readonly scores: Float64Array;
}

interface FigureRule {
  readonly what: 'precision' | 'recall';
  /** Index of the range of areas. */
  readonly area: number;
  /** Index of the threshold; absent: the mean of all. */
  readonly threshold?: number;
  /** Index of the number of detections; absent: the last. */
  readonly limit?: number;
}

interface KindRules {
  readonly areas: readonly (readonly [number, number])[];
  readonly maxDetections: readonly number[];
  readonly figures: Readonly<Record<string, FigureRule>>;
}

const [SMALL, LARGE, ALL] = [32 ** 2, 96 ** 2, 1e5 ** 2];

const BOX_RULES: KindRules & { readonly figures: Record<keyof BoxFigures, FigureRule> } = {
  areas: [
    [0, ALL],
    [0, SMALL],
    [SMALL, LARGE],
    [LARGE, ALL],
  ],
  maxDetections: [1, 10, 100],
  figures: {
    ap: { what: 'precision', area: 0 },
    ap50: { what: 'precision', area: 0, threshold: 0 },
    ap75: { what: 'precision', area: 0, threshold: 5 },
    apSmall: { what: 'precision', area: 1 },
    apMedium: { what: 'precision', area: 2 },
    apLarge: { what: 'precision', area: 3 },
    ar1: { what: 'recall', area: 0, limit: 0 },
    ar10: { what: 'recall', area: 0, limit: 1 },
    ar100: { what: 'recall', area: 0 },
    arSmall: { what: 'recall', area: 1 },
    arMedium: { what: 'recall', area: 2 },
    arLarge: { what: 'recall', area: 3 },
  },
};

const KEYPOINT_RULES: KindRules & { readonly figures: Record<keyof KeypointFigures, FigureRule> } =
  {
    areas: [
      [0, ALL],
      [SMALL, LARGE],
      [LARGE, ALL],
    ],
    maxDetections: [20],
    figures: {
      ap: { what: 'precision', area: 0 },
      ap50: { what: 'precision', area: 0, threshold: 0 },
      ap75: { what: 'precision', area: 0, threshold: 5 },
      apMedium: { what: 'precision', area: 1 },
      apLarge: { what: 'precision', area: 2 },
      ar: { what: 'recall', area: 0 },
      ar50: { what: 'recall', area: 0, threshold: 0 },
      ar75: { what: 'recall', area: 0, threshold: 5 },
      arMedium: { what: 'recall', area: 1 },
      arLarge: { what: 'recall', area: 2 },
    },
  };

/** How a kind is evaluated. */
export function rulesOf(kind: EvaluationKind): KindRules {
  return kind === 'keypoints' ? KEYPOINT_RULES : BOX_RULES;
}

/** The mean of values above -1; -1 where there are none. */
function meanOfPresent(parts: Iterable<Float64Array>): number {
  let [sum, count] = [0, 0];
  for (const part of parts) {
    for (const value of part) {
      if (value <= -1) continue;
      sum += value;
      count++;
    }
  }
  return count === 0 ? -1 : sum / count;
}

/** The evaluation of one kind. */
export class KindEvaluation<Figures extends BoxFigures | KeypointFigures> {
  readonly kind: EvaluationKind;
  /** Over all classes that have objects, each with the same weight. */
  readonly figures: Figures;
  /** The same for each class, in the order of the categories. */
  readonly classes: readonly (ClassCounts & Figures)[];
  readonly #native: NativeCocoFigures;
  readonly #rules: KindRules;

  /** @internal */
  constructor(
    kind: EvaluationKind,
    categories: readonly EvaluatedCategory[],
    native: NativeCocoFigures,
  ) {
    this.kind = kind;
    this.#native = native;
    this.#rules = rulesOf(kind);
    this.figures = this.#figuresOf(categories.map((_, k) => k));
    this.classes = categories.map(({ label, name }, k) => ({
      label,
      name,
      objects: native.truthCount[k] ?? 0,
      detections: native.foundCount[k] ?? 0,
      ...this.#figuresOf([k]),
    }));
  }

  /**
   * Precision by recall of one class, over objects of all sizes.
   *
   * @param label of the class
   * @param iou threshold from which a detection is right: 0.5, 0.55, … 0.95. Default 0.5.
   * @throws TorchdetError ERR_INVALID_ARGUMENT where there is no such class or threshold
   */
  curve(label: number, iou = 0.5): PrecisionRecallCurve {
    const k = this.classes.findIndex((one) => one.label === label);
    if (k < 0) {
      const labels = this.classes.map((one) => one.label).join(', ');
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `curve: ${label} is no label of a category; they are ${labels}.`,
      );
    }
    const t = Math.round((iou - 0.5) / 0.05);
    if (!(t >= 0 && t < THRESHOLDS && Math.abs(0.5 + 0.05 * t - iou) < 1e-6)) {
      throw new TorchdetError(
        'ERR_INVALID_ARGUMENT',
        `curve: iou must be 0.5, 0.55, … or 0.95, got ${iou}.`,
      );
    }
    const scoresFrom = (k * THRESHOLDS + t) * POINTS;
    return {
      recall: Float64Array.from({ length: POINTS }, (_, r) => r / (POINTS - 1)),
      precision: this.#precision(k, 0, t).slice(),
      scores: this.#native.scores.slice(scoresFrom, scoresFrom + POINTS),
    };
  }

  #figuresOf(categories: readonly number[]): Figures {
    const figures: Record<string, number> = {};
    for (const [name, rule] of Object.entries(this.#rules.figures)) {
      figures[name] = meanOfPresent(this.#parts(rule, categories));
    }
    // The rules of a kind name all its figures; their types are tied above.
    return figures as unknown as Figures;
  }

  *#parts(rule: FigureRule, categories: readonly number[]): Iterable<Float64Array> {
    for (const k of categories) {
      if (rule.what === 'precision') {
        yield this.#precision(k, rule.area, rule.threshold);
      } else {
        yield this.#recall(k, rule);
      }
    }
  }

  /** One threshold's 101 points, or those of all. */
  #precision(k: number, area: number, threshold?: number): Float64Array {
    const from = (k * this.#rules.areas.length + area) * THRESHOLDS + (threshold ?? 0);
    const count = threshold === undefined ? THRESHOLDS : 1;
    return this.#native.precision.subarray(from * POINTS, (from + count) * POINTS);
  }

  #recall(k: number, { area, threshold, limit }: FigureRule): Float64Array {
    const limits = this.#rules.maxDetections.length;
    const place = (k * this.#rules.areas.length + area) * limits + (limit ?? limits - 1);
    const from = place * THRESHOLDS + (threshold ?? 0);
    return this.#native.recall.subarray(from, from + (threshold === undefined ? THRESHOLDS : 1));
  }
}
