// Every wrong option is refused when the model is described, by a message with the value and what would be right.
import assert from 'node:assert/strict';
import { mobileNet, mobileNetFpn, resnetFpn } from '../../lib/backbones';
import type { Backbone } from '../../lib/backbones';
import { buildModel, detectorFromDescription, fasterRcnn } from '../../lib/models';
import { refuses, untyped } from './refuses';

describe('options of backbones', () => {
  it('names the nearest option and the nearest network', () => {
    refuses(
      () => resnetFpn('resnet50', untyped({ trainableLayer: 3 })),
      'ERR_OPTION_UNKNOWN',
      'resnetFpn("resnet50")',
      '"trainableLayer"',
      '"trainableLayers"',
    );
    refuses(() => resnetFpn(untyped('resnet51')), 'ERR_OPTION_VALUE', '"resnet51"', '"resnet50"');
    refuses(
      () => mobileNet(untyped('mobilenet_v3_larg')),
      'ERR_OPTION_VALUE',
      '"mobilenet_v3_large"',
    );
    refuses(
      () => mobileNet('mobilenet_v2', untyped({ returnedLayers: [4, 5] })),
      'ERR_OPTION_UNKNOWN',
      'returnedLayers',
    );
    refuses(() => resnetFpn('resnet18', untyped(5)), 'ERR_INVALID_ARGUMENT', 'number');
  });

  it('refuses values out of range', () => {
    const wrong: [object, ...string[]][] = [
      [{ trainableLayers: 6 }, '"trainableLayers"', 'from 0 to 5', 'got 6'],
      [{ trainableLayers: 2.5 }, 'got 2.5'],
      [{ trainableLayers: '3' }, 'got "3"'],
      [{ returnedLayers: [0, 1] }, '"returnedLayers[0]"', 'from 1 to 4', 'got 0'],
      [{ returnedLayers: [2, 2] }, 'ascending', '[2,2]'],
      [{ returnedLayers: [3, 2] }, 'ascending'],
      [{ returnedLayers: [] }, 'not empty'],
      [{ extraBlocks: 'p6p8' }, '"p6p8"', 'did you mean "p6p7"'],
      [{ norm: 'frosen' }, 'did you mean "frozen"'],
      [{ norm: null }, 'got null'],
      [{ normEps: -1 }, '"normEps"', 'at least 0'],
      [{ normEps: NaN }, '"normEps"'],
      [{ fpnNorm: 'frozen' }, '"fpnNorm"', '"batch", "group", null'],
      [{ outChannels: 0 }, '"outChannels"', 'at least 1'],
    ];
    for (const [options, ...parts] of wrong) {
      refuses(() => resnetFpn('resnet50', untyped(options)), 'ERR_OPTION_VALUE', ...parts);
    }
    refuses(
      () => mobileNetFpn('mobilenet_v2', { trainableLayers: 7 }),
      'ERR_OPTION_VALUE',
      'from 0 to 6',
      'got 7',
    );
    refuses(
      () => mobileNetFpn('mobilenet_v2', { returnedLayers: [4, 6] }),
      'ERR_OPTION_VALUE',
      '"returnedLayers[1]"',
      'from 0 to 5',
    );
    refuses(
      () => mobileNetFpn('mobilenet_v2', untyped({ norm: 'group' })),
      'ERR_OPTION_VALUE',
      '"frozen", "batch"',
    );
  });
});

const backbone = mobileNetFpn('mobilenet_v3_small', { returnedLayers: [2, 3, 4] });

function detector(options: object): () => unknown {
  return () => fasterRcnn(untyped({ backbone, numClasses: 3, ...options }));
}

describe('options of fasterRcnn', () => {
  it('says that the background counts', () => {
    refuses(detector({ numClasses: 1 }), 'ERR_OPTION_VALUE', 'got 1', 'background', 'K + 1');
    refuses(detector({ numClasses: undefined }), 'ERR_OPTION_VALUE', '"numClasses"', 'undefined');
    refuses(
      detector({ categories: ['cat', 'dog'] }),
      'ERR_OPTION_VALUE',
      '2 names for 3 classes',
      'background',
    );
    refuses(
      detector({ categories: ['a', 2, 'c'] }),
      'ERR_OPTION_VALUE',
      '"categories[1]"',
      'got 2',
    );
  });

  it('refuses unknown options at every depth, with the nearest', () => {
    refuses(detector({ boxScoreTresh: 0.5 }), 'ERR_OPTION_UNKNOWN', '"boxScoreThresh"');
    refuses(detector({ min_size: 400 }), 'ERR_OPTION_UNKNOWN', '"minSize"');
    refuses(detector({ rpnHead: { depth: 2 } }), 'ERR_OPTION_UNKNOWN', 'rpnHead', '"depth"');
    refuses(detector({ boxRoiPool: { outputsize: 7 } }), 'ERR_OPTION_UNKNOWN', '"outputSize"');
    refuses(
      detector({ rpnAnchorGenerator: { sizes: [[8], [16], [32], [64]], ratios: [1] } }),
      'ERR_OPTION_UNKNOWN',
      '"ratios"',
    );
    refuses(
      detector({ boxHead: { kind: 'twoMlp', convs: [256] } }),
      'ERR_OPTION_UNKNOWN',
      '"convs"',
    );
  });

  it('refuses values out of range', () => {
    const wrong: [object, ...string[]][] = [
      [{ minSize: 0 }, '"minSize"', 'at least 1'],
      [{ minSize: [640, '800'] }, '"minSize[1]"', 'got "800"'],
      [{ minSize: [] }, '"minSize"', 'not empty'],
      [{ imageMean: [0.5, 0.5] }, '"imageMean"', 'a list of 3'],
      [{ imageStd: [0.2, 0, 0.2] }, '"imageStd[1]"', 'above 0'],
      [{ fixedSize: [300] }, '"fixedSize"', 'a list of 2'],
      [{ rpnPreNmsTopNTest: 0 }, '"rpnPreNmsTopNTest"', 'at least 1'],
      [{ rpnNmsThresh: 1.5 }, '"rpnNmsThresh"', 'from 0 to 1', 'got 1.5'],
      [{ rpnBgIouThresh: 0.8 }, '"rpnBgIouThresh"', 'rpnFgIouThresh, which is 0.7', 'got 0.8'],
      [{ boxFgIouThresh: 0.4 }, '"boxBgIouThresh"', 'boxFgIouThresh, which is 0.4'],
      [{ boxPositiveFraction: -0.1 }, '"boxPositiveFraction"'],
      [{ boxDetectionsPerImg: 1.5 }, '"boxDetectionsPerImg"'],
      [{ bboxRegWeights: [1, 2, 3] }, '"bboxRegWeights"', 'a list of 4'],
      [{ rpnHead: { convDepth: 0 } }, '"convDepth"'],
      [{ boxHead: { kind: 'mlp' } }, '"kind"', '"twoMlp", "conv"'],
      [{ boxHead: { kind: 'twoMlp', representationSize: 0 } }, '"representationSize"'],
      [{ boxHead: { kind: 'conv', fcs: [] } }, '"fcs"', 'not empty'],
      [{ boxHead: { kind: 'conv', norm: 'frozen' } }, '"norm"'],
      [{ boxRoiPool: { samplingRatio: 0 } }, '"samplingRatio"', 'or -1'],
      [{ boxRoiPool: { outputSize: [7] } }, '"outputSize"', '[height, width]'],
      [{ boxRoiPool: { featmapNames: ['1', '0'] } }, '"featmapNames"', "backbone's order"],
      [{ rpnAnchorGenerator: { sizes: [] } }, '"sizes"', 'not empty'],
      [{ rpnAnchorGenerator: { sizes: [[32], [-64], [1], [2]] } }, '"sizes[1][0]"', 'got -64'],
      [{ backbone: 'resnet50' }, '"backbone"', 'resnetFpn("resnet50")'],
    ];
    for (const [options, ...parts] of wrong) {
      refuses(detector(options), 'ERR_OPTION_VALUE', 'fasterRcnn', ...parts);
    }
  });

  it('checks anchors and RoI levels against the backbone, with both numbers', () => {
    const mismatch: [object, ...string[]][] = [
      [
        { rpnAnchorGenerator: { sizes: [[32], [64]] } },
        'for 2 levels',
        'has 4 feature levels',
        'Give 4',
      ],
      [
        { rpnAnchorGenerator: { sizes: [8, 16, 32, 64], aspectRatios: [[1], [1], [1]] } },
        '"aspectRatios"',
        'for 3 levels',
        '4 feature levels',
      ],
      [
        { rpnAnchorGenerator: { sizes: [[8], [16, 24], [32], [64]] } },
        'level 0 has 3',
        'level 1 has 6',
      ],
      [{ boxRoiPool: { featmapNames: ['0', '5'] } }, '"5"', '"2" (stride 32)'],
      [
        { backbone: { ...backbone, strides: [16, 8, 32, 64] } },
        '"1" has stride 8',
        '"0" before it 16',
      ],
      [{ backbone: { ...backbone, strides: [8, 16] } }, '4 feature names', '2 strides'],
      [{ backbone: { ...backbone, channels: [256, 256, 128, 256] } }, '256', '128 at level "2"'],
      [{ backbone: { ...backbone, strides: [8, 12, 32, 64] } }, 'stride 12', 'powers of two'],
    ];
    for (const [options, ...parts] of mismatch) {
      refuses(detector(options), 'ERR_BACKBONE_MISMATCH', ...parts);
    }
  });

  it('derives anchors and RoI levels from the backbone', () => {
    const { config } = fasterRcnn({ backbone, numClasses: 3 });
    assert.deepEqual(config.anchors.sizes, [[64], [128], [256], [512]]);
    assert.deepEqual(config.roiHeads.boxRoiPool.featmapNames, ['0', '1', '2']);
    assert.deepEqual(config.roiHeads.boxRoiPool.strides, [8, 16, 32]);
    const single = fasterRcnn({ backbone: mobileNet('mobilenet_v2'), numClasses: 3 });
    assert.deepEqual(single.config.anchors.sizes, [[32, 64, 128, 256, 512]]);
    assert.deepEqual(single.config.roiHeads.boxRoiPool.featmapNames, ['0']);
  });

  it('carries what an archive needs as JSON', () => {
    const spec = fasterRcnn({ backbone, numClasses: 2, categories: ['bg', 'cat'], minSize: 320 });
    assert.deepEqual(JSON.parse(JSON.stringify(spec.description)), {
      builder: 'fasterRcnn',
      options: { numClasses: 2, categories: ['bg', 'cat'], minSize: 320 },
      backbone: {
        builder: 'mobileNetFpn',
        name: 'mobilenet_v3_small',
        options: { returnedLayers: [2, 3, 4] },
      },
    });
    assert.deepEqual(JSON.parse(JSON.stringify(spec.config)), spec.config);
    assert.deepEqual(spec.pretrainedBackbone, {
      weights: 'mobilenet_v3_small',
      from: 'features.',
      to: 'backbone.body.',
    });
    assert.ok(spec.trainable.frozen.includes('backbone.body.1.'));
    assert.equal(spec.trainable.groups[0]?.[0], 'backbone.body.12.');
  });

  it("takes a backbone of one's own", () => {
    const own: Backbone = {
      ...backbone,
      name: 'own',
      featureNames: ['fine', 'coarse'],
      channels: [64, 64],
      strides: [8, 16],
      description: { builder: 'custom', name: 'own', options: {} },
    };
    refuses(
      () => fasterRcnn({ backbone: own, numClasses: 2 }),
      'ERR_BACKBONE_MISMATCH',
      '"0" to "3"',
      '"fine" (stride 8)',
      'featmapNames',
    );
    const featmapNames = ['fine', 'coarse'];
    const { config } = fasterRcnn({ backbone: own, numClasses: 2, boxRoiPool: { featmapNames } });
    assert.deepEqual(config.anchors.sizes, [[64], [128]]);
    assert.deepEqual(config.roiHeads.boxRoiPool.strides, [8, 16]);
  });
});

describe('models by name', () => {
  it('names the nearest model', () => {
    refuses(
      () => buildModel('fasterrcnn_resnet50_fpnv2'),
      'ERR_MODEL_UNKNOWN',
      '"fasterrcnn_resnet50_fpn_v2"',
    );
    refuses(() => buildModel('toString'), 'ERR_MODEL_UNKNOWN', 'toString');
    refuses(() => buildModel('yolo'), 'ERR_MODEL_UNKNOWN', 'Known: small, fasterrcnn_resnet50_fpn');
  });

  it('checks its own options and those of fasterRcnn', () => {
    const name = 'fasterrcnn_resnet50_fpn';
    refuses(
      () => buildModel(name, untyped({ pretrained: true })),
      'ERR_OPTION_VALUE',
      '"detector", "backbone", false',
    );
    refuses(
      () => buildModel(name, { trainableBackboneLayers: 6, pretrained: 'backbone' }),
      'ERR_OPTION_VALUE',
      'from 0 to 5',
    );
    refuses(
      () => buildModel(name, untyped({ trainableBackboneLayer: 3 })),
      'ERR_OPTION_UNKNOWN',
      '"trainableBackboneLayers"',
    );
    refuses(() => buildModel('person'), 'ERR_MODEL_UNKNOWN', '"person"');
    const spec = buildModel('fasterrcnn_mobilenet_v3_large_320_fpn', {
      minSize: 240,
      numClasses: 4,
    });
    assert.deepEqual(spec.config.transform.minSize, [240]);
    assert.equal(spec.config.transform.maxSize, 640);
    assert.equal(spec.numClasses, 4);
    const undefinedSize = buildModel(spec.name, untyped({ minSize: undefined }));
    assert.deepEqual(undefinedSize.config.transform.minSize, [320]);
  });

  it('makes a model again from its description', () => {
    const named = { pretrained: 'backbone', numClasses: 4, boxScoreThresh: 0.2 } as const;
    const specs = [
      buildModel('small'),
      buildModel('small', { pretrained: 'detector', numClasses: 3, trainableBackboneLayers: 2 }),
      buildModel('fasterrcnn_resnet50_fpn', named),
      fasterRcnn({ backbone, numClasses: 3, minSize: [320, 400] }),
      fasterRcnn({ backbone: mobileNet('mobilenet_v2', { norm: 'batch' }), numClasses: 3 }),
      fasterRcnn({ backbone: resnetFpn('resnet18', { outChannels: 64 }), numClasses: 3 }),
    ];
    for (const spec of specs) {
      const description = JSON.parse(JSON.stringify(spec.description)) as typeof spec.description;
      assert.deepEqual(detectorFromDescription(description), spec);
    }
    const [small] = specs;
    assert.ok(small);
    refuses(
      () => detectorFromDescription({ ...small.description, builder: 'yolo' }),
      'ERR_MODEL_UNKNOWN',
      '"yolo"',
    );
    const own = { builder: 'custom', name: 'own', options: {} };
    refuses(
      () => detectorFromDescription({ builder: 'fasterRcnn', options: {}, backbone: own }),
      'ERR_INVALID_ARGUMENT',
      '"own"',
    );
  });

  it('warns that freezing has no effect without pretrained weights', () => {
    const name = 'fasterrcnn_resnet50_fpn';
    const [warning] = buildModel(name, { trainableBackboneLayers: 2 }).warnings;
    assert.match(
      warning ?? '',
      /trainableBackboneLayers 2 has no effect without pretrained weights/,
    );
    assert.deepEqual(buildModel(name).warnings, []);
    const options = { trainableBackboneLayers: 2, pretrained: 'backbone' } as const;
    assert.deepEqual(buildModel(name, options).warnings, []);
  });
});
