// Every wrong option of SSD and SSDlite is refused when the model is described; the network compiles and gives what it says.
import assert from 'node:assert/strict';
import type { DenseConfig } from '../../binding';
import { resnetFpn, ssdLiteMobileNet, ssdVgg16 } from '../../lib/backbones';
import type { Backbone } from '../../lib/backbones';
import { buildModel, detectorFromDescription, ssd } from '../../lib/models';
import type { DetectorSpec, SsdOptions } from '../../lib/models';
import { refuses, untyped } from './refuses';

const small = ssdLiteMobileNet('mobilenet_v3_small');
const make = (options: Partial<SsdOptions> = {}): DetectorSpec<DenseConfig> =>
  ssd({ backbone: small, numClasses: 4, ...options });

describe('options of SSD', () => {
  it('has torchvision’s defaults', () => {
    const { config, numClasses, name } = make();
    assert.equal(name, 'ssd(mobilenet_v3_small)');
    assert.equal(numClasses, 4);
    assert.deepEqual(config.transform.fixedSize, [300, 300]);
    assert.equal(config.transform.sizeDivisible, 1);
    const { scoreThresh, nmsThresh, detectionsPerImg, topkCandidates } = config;
    assert.deepEqual(
      [scoreThresh, nmsThresh, detectionsPerImg, topkCandidates],
      [0.01, 0.45, 200, 400],
    );
    const scales = config.defaultBoxes?.scales.map((scale) => Number(scale.toFixed(12)));
    assert.deepEqual(scales, [0.15, 0.3, 0.45, 0.6, 0.75, 0.9, 1]);
    assert.equal(config.defaultBoxes?.steps, null);
  });

  it('passes each option on', () => {
    const { config } = make({
      size: [320, 200],
      scoreThresh: 0.2,
      nmsThresh: 0.3,
      detectionsPerImg: 7,
      topkCandidates: 8,
      iouThresh: 0.6,
      positiveFraction: 0.5,
      channelOrder: 'bgr',
      anchorGenerator: { steps: [16, 32, 64, 128, 256, 512], clip: false },
    });
    assert.deepEqual(config.transform.fixedSize, [320, 200]);
    assert.deepEqual([config.transform.minSize, config.transform.maxSize], [[200], 320]);
    assert.equal(config.transform.channelOrder, 'bgr');
    assert.equal(config.scoreThresh, 0.2);
    assert.equal(config.nmsThresh, 0.3);
    assert.equal(config.detectionsPerImg, 7);
    assert.equal(config.topkCandidates, 8);
    assert.equal(config.training.fgIouThresh, 0.6);
    assert.equal(config.training.positiveFraction, 0.5);
    assert.deepEqual(config.defaultBoxes?.steps, [16, 32, 64, 128, 256, 512]);
    assert.equal(config.defaultBoxes.clip, false);
  });

  it('refuses default boxes that do not fit the levels, with both numbers', () => {
    const wrong: [SsdOptions['anchorGenerator'], ...string[]][] = [
      [{ aspectRatios: [[2], [2]] }, '"aspectRatios" has 2 entries', '6 feature levels', 'Give 6'],
      [{ steps: [8, 16] }, '"steps" has 2 entries', '6 feature levels'],
      [{ scales: [0.1, 0.2, 0.3, 0.4, 0.5, 0.6] }, '"scales" has 6 entries', 'Give 7, one more'],
    ];
    for (const [anchorGenerator, ...parts] of wrong) {
      refuses(
        () => make(anchorGenerator ? { anchorGenerator } : {}),
        'ERR_BACKBONE_MISMATCH',
        ...parts,
      );
    }
  });

  it('refuses values out of range', () => {
    const wrong: [object, ...string[]][] = [
      [{ numClasses: 1 }, '"numClasses"', 'background', 'got 1'],
      [{ size: 0 }, '"size"', 'at least 1', 'got 0'],
      [{ size: [300] }, '"size"', 'a list of 2'],
      [{ size: [300, 2.5] }, '"size[1]"', 'got 2.5'],
      [{ scoreThresh: 1.5 }, '"scoreThresh"', 'from 0 to 1', 'got 1.5'],
      [{ iouThresh: -1 }, '"iouThresh"', 'got -1'],
      [{ positiveFraction: 0 }, '"positiveFraction"', 'above 0'],
      [{ topkCandidates: 0 }, '"topkCandidates"', 'got 0'],
      [{ categories: ['a', 'b'] }, '2 names for 4 classes'],
      [{ head: { kind: 'ssdlite' } }, '"kind"', 'did you mean "ssdLite"'],
      [{ head: { kind: 'ssdLite', normMomentum: 2 } }, '"normMomentum"', 'got 2'],
      [{ anchorGenerator: { aspectRatios: [[2], [-3], [2], [2], [2], [2]] } }, 'got -3'],
      [{ anchorGenerator: { aspectRatios: [2, 3, 2, 3, 2, 3] } }, '"aspectRatios[0]"', 'got 2'],
      [{ anchorGenerator: { minRatio: 0.5, maxRatio: 0.3 } }, '"maxRatio"', 'at least minRatio'],
      [{ anchorGenerator: { clip: 'no' } }, '"clip"', 'true or false'],
      [{ backbone: 5 }, '"backbone"', 'a backbone'],
    ];
    for (const [options, ...parts] of wrong) {
      refuses(() => make(untyped(options)), 'ERR_OPTION_VALUE', ...parts);
    }
  });

  it('names the nearest option', () => {
    refuses(() => make(untyped({ iouThres: 0.5 })), 'ERR_OPTION_UNKNOWN', '"iouThresh"');
    refuses(() => make(untyped({ minSize: 300 })), 'ERR_OPTION_UNKNOWN', '"minSize"');
    const lite = { head: { kind: 'ssd', normEps: 1 } };
    refuses(() => make(untyped(lite)), 'ERR_OPTION_UNKNOWN', 'ssd: head', '"normEps"');
    const boxes = { anchorGenerator: { step: [8] } };
    refuses(() => make(untyped(boxes)), 'ERR_OPTION_UNKNOWN', 'anchorGenerator', '"steps"');
  });

  it('takes levels of different channels, and refuses lists that do not fit each other', () => {
    assert.deepEqual(small.channels, [288, 576, 512, 256, 256, 128]);
    const odd: Backbone = { ...small, channels: small.channels.slice(1) };
    refuses(
      () => make({ backbone: odd }),
      'ERR_BACKBONE_MISMATCH',
      '6 feature names',
      '5 channels',
    );
    const same = ssd({ backbone: resnetFpn('resnet18'), numClasses: 3 });
    assert.equal(same.config.defaultBoxes?.aspectRatios.length, 5);
  });
});

describe('options of SSD’s backbones', () => {
  it('refuses values out of range', () => {
    const wrong: [() => unknown, ...string[]][] = [
      [() => ssdVgg16({ trainableLayers: 6 }), 'ssdVgg16', 'from 0 to 5', 'got 6'],
      [() => ssdVgg16(untyped({ highres: 1 })), '"highres"', 'got 1'],
      [
        () => ssdLiteMobileNet('mobilenet_v3_large', { trainableLayers: 7 }),
        'from 0 to 6',
        'got 7',
      ],
      [() => ssdLiteMobileNet('mobilenet_v3_large', { widthMult: 0 }), '"widthMult"', 'above 0'],
      [() => ssdLiteMobileNet('mobilenet_v3_large', { minDepth: 1 }), '"minDepth"', 'at least 2'],
      [() => ssdLiteMobileNet(untyped('mobilenet_v2')), '"mobilenet_v2"', 'mobilenet_v3_large'],
    ];
    for (const [run, ...parts] of wrong) refuses(run, 'ERR_OPTION_VALUE', ...parts);
    refuses(() => ssdVgg16(untyped({ highRes: true })), 'ERR_OPTION_UNKNOWN', '"highres"');
    refuses(
      () => ssdLiteMobileNet('mobilenet_v3_small', untyped({ reduceTail: true })),
      'ERR_OPTION_UNKNOWN',
      '"reducedTail"',
    );
  });
});

describe('SSD models by name', () => {
  it('warns that trainable layers have no effect without pretrained weights', () => {
    for (const name of ['ssd300_vgg16', 'ssdlite320_mobilenet_v3_large'] as const) {
      const { warnings, trainable } = buildModel(name, { trainableBackboneLayers: 2 });
      assert.equal(warnings.length, 1);
      assert.match(warnings[0] ?? '', /trainableBackboneLayers 2 has no effect/);
      assert.deepEqual(trainable.frozen, []);
    }
  });

  it('halves the tail but for a pretrained backbone', () => {
    const last = (pretrained: 'detector' | 'backbone' | false): unknown =>
      buildModel('ssdlite320_mobilenet_v3_large', { pretrained }).description.backbone.options
        .reducedTail;
    assert.deepEqual([last(false), last('detector'), last('backbone')], [true, true, false]);
  });

  it('has fixed sizes, and no norm where there is none', () => {
    refuses(() => buildModel('ssd300_vgg16', untyped({ size: 512 })), 'ERR_OPTION_UNKNOWN', 'size');
    refuses(
      () => buildModel('ssd300_vgg16', untyped({ normEps: 0 })),
      'ERR_OPTION_UNKNOWN',
      'normEps',
    );
  });

  it('is described again from what an archive carries', () => {
    const specs = [
      make({ head: { kind: 'ssdLite', normEps: 1e-4 }, categories: ['none', 'a', 'b', 'c'] }),
      ssd({ backbone: ssdVgg16({ highres: true }), numClasses: 3, size: 512 }),
    ];
    for (const spec of specs) {
      const copy = JSON.parse(JSON.stringify(spec.description)) as typeof spec.description;
      assert.deepEqual(detectorFromDescription(copy), spec);
    }
  });
});
