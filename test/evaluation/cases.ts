/** Cases of test/oracle/evaluation.py, and their way through an evaluator. */
import assert from 'node:assert/strict';
import { CocoEvaluator } from '../../lib';
import type {
  BoxFigures,
  ClassCounts,
  Detections,
  EvaluationKind,
  GroundTruth,
  KeypointFigures,
  KindEvaluation,
} from '../../lib';

/** What pycocotools says of a case. */
export interface Expected {
  readonly figures: Readonly<Record<string, number>>;
  /** By category. */
  readonly classes: readonly Readonly<Record<string, number>>[];
  readonly curves: readonly {
    readonly label: number;
    readonly iou: number;
    readonly precision: readonly number[];
    readonly scores: readonly number[];
  }[];
}

export interface EvaluationCase {
  readonly kind: EvaluationKind;
  readonly categories: readonly number[];
  readonly sigmas?: readonly number[];
  readonly images: readonly {
    readonly id: number;
    readonly truth: GroundTruth;
    readonly detections: Detections;
  }[];
}

export function evaluatorOf({ kind, categories, sigmas, images }: EvaluationCase): CocoEvaluator {
  const evaluator = new CocoEvaluator({
    categories: categories.map((label) => ({ label, name: `class ${label}` })),
    kinds: [kind],
    ...(sigmas && { keypointSigmas: sigmas }),
  });
  for (const { id, truth, detections } of images) evaluator.add(id, truth, detections);
  return evaluator;
}

/** Every expected figure is there. Expected numbers are rounded to ten digits. */
export function assertFigures(
  actual: object,
  expected: Readonly<Record<string, number>>,
  where: string,
): void {
  const figures = new Map(Object.entries(actual) as [string, number][]);
  for (const [name, value] of Object.entries(expected)) {
    const figure = figures.get(name) ?? NaN;
    assert.ok(Math.abs(figure - value) < 1e-9, `${where} ${name}: ${figure}, not ${value}`);
  }
}

function assertPoints(actual: Float64Array, expected: readonly number[], where: string): void {
  assert.equal(actual.length, expected.length);
  for (const [i, value] of expected.entries()) {
    const point = actual[i] ?? NaN;
    assert.ok(Math.abs(point - value) < 1e-9, `${where}, point ${i}: ${point}, not ${value}`);
  }
}

export function assertAsExpected(
  evaluation: KindEvaluation<BoxFigures | KeypointFigures>,
  expected: Expected,
): void {
  assertFigures(evaluation.figures, expected.figures, 'all classes');
  assert.equal(evaluation.classes.length, expected.classes.length);
  for (const [k, figures] of expected.classes.entries()) {
    const one: ClassCounts | undefined = evaluation.classes[k];
    assert.ok(one);
    assertFigures(one, figures, one.name);
  }
  for (const { label, iou, precision, scores } of expected.curves) {
    const curve = evaluation.curve(label, iou);
    assertPoints(curve.precision, precision, `precision of ${label} at ${iou}`);
    assertPoints(curve.scores, scores, `scores of ${label} at ${iou}`);
  }
}
