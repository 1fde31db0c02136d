// ResNets that differ from torchvision's: what is named how, where ImageNet weights go, and what is refused.
import assert from 'node:assert/strict';
import { resnetFpn } from '../../lib/backbones';
import type { ResnetFpnOptions } from '../../lib/backbones';
import { stateOf } from '../../lib/nn';
import { untyped } from '../models/refuses';

const shapesOf = (options: ResnetFpnOptions) =>
  new Map(
    [...stateOf(resnetFpn('resnet50', options).module)].map(({ name, shape }) => [name, shape]),
  );

describe('variants of ResNet', () => {
  it('puts deformable convolutions in the place of the 3x3 of the layers asked for', () => {
    const plain = shapesOf({});
    const deformable = shapesOf({ deformable: { layers: [3, 4], deformableGroups: 2 } });
    const added = [...deformable.keys()].filter((name) => !plain.has(name));
    assert.equal(added.length, 9 * 3, 'offset weight, offset bias and conv weight of 6 + 3 blocks');
    assert.deepEqual(deformable.get('body.layer3.5.conv2.offset.weight'), [54, 256, 3, 3]);
    assert.deepEqual(deformable.get('body.layer3.5.conv2.conv.weight'), [256, 256, 3, 3]);
    assert.ok(deformable.has('body.layer2.0.conv2.weight'));
    const unmodulated = shapesOf({ deformable: { layers: [4], modulated: false } });
    assert.deepEqual(unmodulated.get('body.layer4.0.conv2.offset.bias'), [18]);
    assert.ok(shapesOf({ deformable: null }).has('body.layer4.0.conv2.weight'));
  });

  it('says where ImageNet weights go: offsets keep their first values', () => {
    const { pretrained } = resnetFpn('resnet50', { deformable: { layers: [4] } });
    assert.deepEqual(pretrained, {
      ...{ weights: 'resnet50', from: '', to: 'body.' },
      moved: [
        ['layer4.0.conv2.', 'layer4.0.conv2.conv.'],
        ['layer4.1.conv2.', 'layer4.1.conv2.conv.'],
        ['layer4.2.conv2.', 'layer4.2.conv2.conv.'],
        ['', ''],
      ],
      fresh: ['layer4.0.conv2.offset.', 'layer4.1.conv2.offset.', 'layer4.2.conv2.offset.'],
    });
  });

  it('gives the pyramid GroupNorm in the place of biases, and ReLU without names', () => {
    const group = shapesOf({ fpnNorm: 'group', fpnRelu: true });
    assert.ok(!group.has('fpn.inner_blocks.0.0.bias'));
    assert.deepEqual(group.get('fpn.inner_blocks.0.1.weight'), [256]);
    assert.ok(!group.has('fpn.inner_blocks.0.1.running_mean'));
    assert.deepEqual([...shapesOf({ fpnRelu: true }).keys()], [...shapesOf({}).keys()]);
  });

  it('starts bodies as asked for', () => {
    const { module } = resnetFpn('resnet50', { weightInit: 'kaimingUniform' });
    const body = module.children?.[0]?.[1];
    const conv1 = body?.children?.[0]?.[1].parameters?.weight?.init;
    assert.deepEqual(conv1 && { kind: conv1.kind, a: 'a' in conv1 && conv1.a }, {
      ...{ kind: 'kaimingUniform', a: 1 },
    });
  });

  it('refuses what does not fit, with the value and what would be right', () => {
    const wrong: [string, unknown, RegExp][] = [
      ['resnet18', { strideIn1x1: true }, /"strideIn1x1".*bottlenecks.*got true/],
      ['resnet34', { deformable: { layers: [4] } }, /"deformable".*bottlenecks \(resnet50/],
      [
        'resnet50',
        { deformable: { layers: [5] } },
        /deformable: option "layers\[0\]".*1 to 4, got 5/,
      ],
      ['resnet50', { deformable: { layers: [] } }, /"layers".*not empty/],
      ['resnet50', { deformable: {} }, /"layers"/],
      ['resnet50', { deformable: { layers: [4], deformableGroups: 3 } }, /power of two.*got 3/],
      ['resnet50', { deformable: { layers: [4], modulated: 1 } }, /"modulated".*true or false/],
      ['resnet50', { strideIn1x1: 'yes' }, /"strideIn1x1".*true or false/],
      ['resnet50', { weightInit: 'kaimingUnifrom' }, /did you mean "kaimingUniform"/],
      ['resnet50', { fpnRelu: 0 }, /"fpnRelu".*true or false/],
      ['resnet50', { fpnNorm: 'grup' }, /did you mean "group"/],
      ['resnet50', { fpnNorm: 'group', outChannels: 100 }, /multiple of 32.*got 100/],
    ];
    for (const [name, options, message] of wrong) {
      assert.throws(() => resnetFpn(untyped(name), untyped(options)), {
        ...{ code: 'ERR_OPTION_VALUE', message },
      });
    }
    assert.throws(() => resnetFpn('resnet50', untyped({ deformable: { layer: [4] } })), {
      ...{ code: 'ERR_OPTION_UNKNOWN', message: /deformable.*"layer".*"layers"/ },
    });
  });
});
