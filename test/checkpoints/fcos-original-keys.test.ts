// Checkpoints with the names and shapes of the original FCOS repository, written by test/oracle/fcos_original_checkpoints.py.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import type { StateEntry } from '../../binding';
import { resnetFpn } from '../../lib/backbones';
import { guessArchitecture } from '../../lib/checkpoints/architecture';
import { matchState } from '../../lib/checkpoints/match-state';
import type { MatchedState } from '../../lib/checkpoints/match-state';
import { readCheckpoint } from '../../lib/checkpoints/read-checkpoint';
import { buildModel, fcosImprvR50Fpn1x, fcosOriginal } from '../../lib/models';
import type { DetectorSpec, FcosOriginalSettings } from '../../lib/models';
import { stateOf } from '../../lib/nn';
import { fixtures } from './fixtures';

function entriesOf({ module }: DetectorSpec): StateEntry[] {
  return [...stateOf(module)].map((entry) => ({
    ...{ name: entry.name, shape: [...entry.shape], kind: entry.kind, dtype: 'float32' },
    requiresGrad: false,
  }));
}

async function matched(file: string, spec: DetectorSpec): Promise<MatchedState> {
  const checkpoint = await readCheckpoint(join(fixtures, `fcos-original-${file}.pth`));
  return matchState(entriesOf(spec), checkpoint);
}

function described(backbone: Parameters<typeof resnetFpn>[1], settings: FcosOriginalSettings = {}) {
  return fcosOriginal({
    backbone: resnetFpn('resnet50', {
      ...{ returnedLayers: [2, 3, 4], extraBlocks: 'p6p7', normEps: 0, strideIn1x1: true },
      ...backbone,
    }),
    ...{ numClasses: 81, ...settings },
  });
}

/** Every tensor of the model is there in its shape, and those renamed are exactly these, by beginning of their names. */
function assertAll(found: MatchedState, spec: DetectorSpec, names: Record<string, string>): void {
  assert.deepEqual(
    [...found.state.keys()].sort(),
    entriesOf(spec)
      .map((e) => e.name)
      .sort(),
  );
  assert.deepEqual(
    [found.missing, found.unexpected, found.misshaped, found.replaced, found.messages],
    [[], [], [], [], []],
  );
  const renamed = new Map(found.migrated);
  for (const [theirs, ours] of Object.entries(names)) assert.equal(renamed.get(theirs), ours);
}

const COMMON = {
  'backbone.body.stem.conv1.weight': 'backbone.body.conv1.weight',
  'backbone.body.stem.bn1.running_var': 'backbone.body.bn1.running_var',
  'backbone.fpn.top_blocks.p6.weight': 'backbone.fpn.extra_blocks.p6.weight',
  'backbone.fpn.top_blocks.p7.bias': 'backbone.fpn.extra_blocks.p7.bias',
  'rpn.head.cls_tower.0.weight': 'head.classification_head.conv.0.weight',
  'rpn.head.cls_tower.1.bias': 'head.classification_head.conv.1.bias',
  'rpn.head.bbox_tower.10.weight': 'head.regression_head.conv.10.weight',
  'rpn.head.cls_logits.bias': 'head.classification_head.cls_logits.bias',
  'rpn.head.bbox_pred.weight': 'head.regression_head.bbox_reg.weight',
  'rpn.head.scales.4.scale': 'head.regression_head.scales.4.scale',
};

describe('checkpoints of the original FCOS repository', () => {
  it('fill fcos_imprv_r50_fpn_1x, each tensor its own', async () => {
    const spec = fcosImprvR50Fpn1x({ pretrained: 'detector' });
    const found = await matched('plain', spec);
    assertAll(found, spec, {
      ...COMMON,
      'backbone.fpn.fpn_inner2.weight': 'backbone.fpn.inner_blocks.0.0.weight',
      'backbone.fpn.fpn_inner4.bias': 'backbone.fpn.inner_blocks.2.0.bias',
      'backbone.fpn.fpn_layer3.weight': 'backbone.fpn.layer_blocks.1.0.weight',
      'rpn.head.centerness.weight': 'head.regression_head.bbox_ctrness.weight',
    });
    // Tensor i of the file is full of the number i.
    const numberOf = (name: string): number => {
      const { data } = found.state.get(name) ?? assert.fail(name);
      return half(data[0] ?? 0, data[1] ?? 0);
    };
    const checkpoint = await readCheckpoint(join(fixtures, 'fcos-original-plain.pth'));
    const names = new Map(found.migrated);
    [...checkpoint.tensors.keys()].forEach((theirs, i) => {
      assert.equal(numberOf(names.get(theirs) ?? theirs), i, theirs);
    });
  });

  it('fill a pyramid with GroupNorm and ReLU', async () => {
    const spec = described({ fpnNorm: 'group', fpnRelu: true });
    assertAll(await matched('fpn-norm', spec), spec, {
      ...COMMON,
      'backbone.fpn.fpn_inner3.0.weight': 'backbone.fpn.inner_blocks.1.0.weight',
      'backbone.fpn.fpn_inner3.1.bias': 'backbone.fpn.inner_blocks.1.1.bias',
      'backbone.fpn.fpn_layer4.1.weight': 'backbone.fpn.layer_blocks.2.1.weight',
    });
  });

  it('fill a pyramid with ReLU alone, without the prefix of distributed training', async () => {
    const spec = described({ fpnRelu: true });
    assertAll(await matched('fpn-relu', spec), spec, {
      ...COMMON,
      'backbone.fpn.fpn_layer2.0.bias': 'backbone.fpn.layer_blocks.0.0.bias',
    });
  });

  it('fill deformable convolutions of body and head', async () => {
    const spec = described({ deformable: { layers: [3, 4] } }, { deformableTower: true });
    assertAll(await matched('deformable', spec), spec, {
      ...COMMON,
      'rpn.head.bbox_tower.9.offset.weight': 'head.regression_head.conv.9.offset.weight',
      'rpn.head.cls_tower.9.conv.bias': 'head.classification_head.conv.9.conv.bias',
    });
  });

  it('fill centerness where the model has it', async () => {
    const spec = described({}, { centernessOnRegression: false });
    assertAll(await matched('plain', spec), spec, {
      'rpn.head.centerness.bias': 'head.classification_head.bbox_ctrness.bias',
    });
  });

  it('number pyramids from the last layer: with four levels the first is fpn_inner1', () => {
    const spec = described({ returnedLayers: [1, 2, 3, 4] });
    const names = ['backbone.fpn.fpn_inner1.weight', 'backbone.fpn.fpn_layer4.bias'];
    const entry = { dtype: 'float32', shape: [256], data: new Uint8Array(0) } as const;
    const tensors = new Map(names.map((name) => [name, { ...entry, shape: [256] }]));
    const { migrated } = matchState(entriesOf(spec), { tensors, metadata: {} }, { strict: false });
    assert.deepEqual(migrated, [
      [names[0], 'backbone.fpn.inner_blocks.0.0.weight'],
      [names[1], 'backbone.fpn.layer_blocks.3.0.bias'],
    ]);
  });

  it('leave the predictor fresh for other classes', async () => {
    const spec = fcosImprvR50Fpn1x({ pretrained: 'detector', numClasses: 4 });
    const { replaced, messages } = await matched('plain', spec);
    assert.deepEqual(
      replaced.map(({ name, model, checkpoint }) => [name, model[0], checkpoint[0]]),
      [
        ['head.classification_head.cls_logits.weight', 3, 80],
        ['head.classification_head.cls_logits.bias', 3, 80],
      ],
    );
    assert.match(messages.join(), /start fresh/);
  });

  it('are told from others by name', async () => {
    const checkpoint = await readCheckpoint(join(fixtures, 'fcos-original-plain.pth'));
    const theirs = guessArchitecture(checkpoint.tensors.keys());
    assert.match(theirs ?? '', /^the original FCOS on ResNet with bottlenecks/);
    const ours = entriesOf(fcosImprvR50Fpn1x()).map(({ name }) => name);
    assert.equal(guessArchitecture(ours), theirs);
    for (const name of ['fcos_resnet50_fpn', 'retinanet_resnet50_fpn'] as const) {
      assert.throws(
        () => matchState(entriesOf(buildModel(name)), checkpoint),
        /looks like another architecture: .*the original FCOS/,
      );
    }
  });
});

/** A float16 of two bytes, for whole numbers from 0. */
function half(low: number, high: number): number {
  const exponent = (high >> 2) & 31;
  if (exponent === 0) return 0;
  return 2 ** (exponent - 15) * (1 + (((high & 3) << 8) | low) / 1024);
}
