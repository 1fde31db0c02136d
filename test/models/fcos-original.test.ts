// The original FCOS: what is described, and what is refused.
import assert from 'node:assert/strict';
import { mobileNetFpn, resnetFpn } from '../../lib/backbones';
import {
  buildModel,
  detectorFromDescription,
  fcosImprvR50Fpn1x,
  fcosOriginal,
} from '../../lib/models';
import type { DetectorSpec, FcosOriginalOptions } from '../../lib/models';
import { countParameters, stateOf } from '../../lib/nn';

const backbone = resnetFpn('resnet50', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7' });
const shapesOf = ({ module }: DetectorSpec) =>
  new Map([...stateOf(module)].map(({ name, shape }) => [name, shape]));

describe('the original FCOS', () => {
  it('is the configuration fcos_imprv_R_50_FPN_1x by default', () => {
    const spec = buildModel('fcos_imprv_r50_fpn_1x', { pretrained: 'detector' });
    assert.equal(spec.numClasses, 81);
    // That of test/oracle/fcos_original.py.
    assert.equal(countParameters(spec.module), 32_244_250);
    const { transform, ...config } = spec.config;
    assert.deepEqual(config, {
      ...{ kind: 'dense', head: 'fcosOriginal', anchors: null, defaultBoxes: null },
      ...{ pointStrides: [8, 16, 32, 64, 128], bboxRegWeights: [1, 1, 1, 1] },
      ...{ scoreThresh: 0.05, nmsThresh: 0.6, detectionsPerImg: 100, topkCandidates: 1000 },
      training: {
        ...{ fgIouThresh: 0.5, bgIouThresh: 0.4, boxLoss: 'l1', centerSamplingRadius: 1.5 },
        positiveFraction: 0.25,
      },
    });
    assert.equal(transform.channelOrder, 'bgr');
    assert.deepEqual(
      transform.imageMean.map((mean) => Number((mean * 255).toFixed(4))),
      [102.9801, 115.9465, 122.7717],
    );
    assert.deepEqual(transform.imageStd, [1 / 255, 1 / 255, 1 / 255]);
    assert.deepEqual([transform.minSize, transform.maxSize], [[800], 1333]);
    const { options } = spec.description.backbone;
    const told = JSON.parse(JSON.stringify(options)) as Record<string, unknown>;
    assert.deepEqual(told, {
      ...{ trainableLayers: 3, norm: 'frozen', normEps: 0, returnedLayers: [2, 3, 4] },
      ...{ extraBlocks: 'p6p7', strideIn1x1: true, weightInit: 'kaimingUniform' },
    });
  });

  it("takes torchvision's body where torchvision's ImageNet weights will come", () => {
    const { options } = fcosImprvR50Fpn1x({ pretrained: 'backbone' }).description.backbone;
    assert.deepEqual([options.strideIn1x1, options.normEps], [false, 1e-5]);
  });

  it('has no logits for the background, and a scale for each level', () => {
    const shapes = shapesOf(fcosOriginal({ backbone, numClasses: 4 }));
    assert.deepEqual(shapes.get('head.classification_head.cls_logits.weight'), [3, 256, 3, 3]);
    const scales = [...shapes.keys()].filter((name) => name.endsWith('.scale'));
    assert.equal(scales.length, 5);
    const onMobileNet = fcosOriginal({ backbone: mobileNetFpn('mobilenet_v2'), numClasses: 4 });
    assert.equal([...shapesOf(onMobileNet).keys()].filter((n) => n.endsWith('.scale')).length, 3);
    assert.deepEqual(onMobileNet.config.pointStrides, [32, 32, 64]);
  });

  it('is made again from its description', () => {
    const given = {
      ...{ normalisedTargets: false, centernessOnRegression: false, deformableTower: true },
      ...{ centerSamplingRadius: 2, scoreThresh: 0.1, head: { convs: 2 } },
    };
    const deformable = { layers: [3, 4], modulated: false };
    const spec = fcosOriginal({
      backbone: resnetFpn('resnet50', {
        ...{ returnedLayers: [2, 3, 4], extraBlocks: 'p6p7', norm: 'group', deformable },
      }),
      ...{ numClasses: 4, ...given },
    });
    const text = JSON.stringify(spec.description);
    const again = detectorFromDescription(JSON.parse(text) as typeof spec.description);
    assert.deepEqual(again.module, spec.module);
    assert.deepEqual(again.config, spec.config);
  });

  it('refuses what does not fit, with the value and what would be right', () => {
    const wrong: [object, string, RegExp][] = [
      [{ numClasses: 1 }, 'ERR_OPTION_VALUE', /"numClasses".*counts the background.*got 1/],
      [{ normalizedTargets: true }, 'ERR_OPTION_UNKNOWN', /Did you mean "normalisedTargets"/],
      [{ normalisedTargets: 1 }, 'ERR_OPTION_VALUE', /"normalisedTargets".*true or false/],
      [{ centernessOnRegression: 'cls' }, 'ERR_OPTION_VALUE', /"centernessOnRegression"/],
      [{ deformableTower: 4 }, 'ERR_OPTION_VALUE', /"deformableTower"/],
      [{ centerSamplingRadius: -1 }, 'ERR_OPTION_VALUE', /"centerSamplingRadius".*at least 0/],
      [{ scoreThresh: 1.5 }, 'ERR_OPTION_VALUE', /"scoreThresh".*0 to 1/],
      [{ head: { convs: 1.5 } }, 'ERR_OPTION_VALUE', /head.*"convs"/],
      [
        { deformableTower: true, head: { convs: 0 } },
        'ERR_OPTION_VALUE',
        /"deformableTower".*convs/,
      ],
      [{ backbone: 'resnet50' }, 'ERR_OPTION_VALUE', /"backbone".*resnetFpn/],
      [
        { backbone: resnetFpn('resnet50', { outChannels: 48 }) },
        'ERR_BACKBONE_MISMATCH',
        /32 groups.*48 channels/,
      ],
    ];
    for (const [options, code, message] of wrong) {
      const given = { backbone, numClasses: 4, ...options } as FcosOriginalOptions;
      assert.throws(() => fcosOriginal(given), { code, message });
    }
  });
});
