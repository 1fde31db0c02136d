import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { NativeTensor, ScriptValue } from '../../binding';
import { readSafetensors } from '../../lib/checkpoints/safetensors';
import type { CheckpointTensor } from '../../lib/checkpoints/types';
import { loadBinding } from '../../lib/runtime/binding';
import { assertClose } from '../ops/cases';

/** One call of torchdet::dense_losses, as test/oracle/dense_losses.py writes it. */
export interface DenseLossCase {
  readonly name: string;
  readonly head: 'retinanet' | 'fcos' | 'fcosOriginal' | 'ssd';
  readonly images: number;
  readonly levelPlaces: readonly number[];
  /** Of the losses, in their order. */
  readonly names: readonly string[];
  readonly bboxRegWeights: readonly number[];
  readonly fgIouThresh: number;
  readonly bgIouThresh: number;
  readonly giou: boolean;
  readonly centerSamplingRadius: number;
  readonly positiveFraction: number;
}

const OUTPUTS = ['cls_logits', 'bbox_regression', 'bbox_ctrness'];

/** test/fixtures/training/dense-losses.safetensors. */
export class DenseLossCases {
  readonly cases: readonly DenseLossCase[];
  private readonly tensors: Map<string, CheckpointTensor>;

  constructor() {
    const path = join(__dirname, '../fixtures/training/dense-losses.safetensors');
    const { tensors, metadata } = readSafetensors(path);
    this.tensors = tensors;
    this.cases = JSON.parse(metadata.cases ?? '[]') as DenseLossCase[];
  }

  find(head: DenseLossCase['head'], name: string): DenseLossCase {
    const found = this.cases.find((one) => one.head === head && one.name === name);
    return found ?? assert.fail(`no case "${name}" of ${head}`);
  }

  /** Losses stacked in their order. */
  losses(one: DenseLossCase, changed: Changed = {}): Promise<NativeTensor> {
    const args = this.arguments(one, changed);
    return loadBinding().callOperator(OPERATOR, args, 'cpu') as Promise<NativeTensor>;
  }

  /** Gradients of the losses, weighted as in the file, by the names of the head's outputs. */
  async gradients(
    one: DenseLossCase,
    changed: Changed = {},
  ): Promise<ReadonlyMap<string, NativeTensor>> {
    const weights = this.tensor(one, 'weights') ?? assert.fail('no weights');
    const args = this.arguments(one, changed);
    const found = await loadBinding().operatorGradients(OPERATOR, args, weights, 'cpu');
    return new Map(
      OUTPUTS.flatMap((name, i) => {
        const gradient = found[1 + i];
        return gradient ? [[name, gradient] as const] : [];
      }),
    );
  }

  check(one: DenseLossCase, name: string, actual: NativeTensor | undefined): void {
    const expected = this.stored(one, name) ?? assert.fail(`the case has no ${name}`);
    assertClose(actual ?? assert.fail(`there is no ${name}`), expected, name);
  }

  has(one: DenseLossCase, name: string): boolean {
    return this.stored(one, name) !== undefined;
  }

  private stored(one: DenseLossCase, name: string): CheckpointTensor | undefined {
    return this.tensors.get(`${this.cases.indexOf(one)}/${name}`);
  }

  private tensor(one: DenseLossCase, name: string): NativeTensor | null {
    const stored = this.stored(one, name);
    if (!stored) return null;
    return loadBinding().Tensor.fromMemory(stored.data, stored.dtype, stored.shape);
  }

  private arguments(one: DenseLossCase, { labelledClasses, labels }: Changed): ScriptValue[] {
    const images = [...Array(one.images).keys()];
    return [
      one.head,
      ...OUTPUTS.map((name) => this.tensor(one, name)),
      this.tensor(one, 'references'),
      one.levelPlaces,
      images.map((i) => this.tensor(one, `boxes/${i}`)),
      labels ?? images.map((i) => this.tensor(one, `labels/${i}`)),
      labelledClasses ?? [],
      one.bboxRegWeights,
      one.fgIouThresh,
      one.bgIouThresh,
      one.giou,
      one.centerSamplingRadius,
      one.positiveFraction,
    ];
  }
}

interface Changed {
  readonly labelledClasses?: readonly (readonly number[])[];
  readonly labels?: readonly NativeTensor[];
}

const OPERATOR = 'torchdet::dense_losses';
