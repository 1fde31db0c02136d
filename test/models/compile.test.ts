// Every backbone and model compiles in LibTorch and gives what its description declares.
import assert from 'node:assert/strict';
import type { Binding, DenseConfig, NativeModule, NativeTensor, RcnnConfig } from '../../binding';
import { mobileNet, MOBILENET_NAMES, mobileNetFpn, resnetFpn } from '../../lib/backbones';
import type { Backbone, ResnetName } from '../../lib/backbones';
import { buildModel, MODEL_NAMES } from '../../lib/models';
import { stateOf } from '../../lib/nn';
import type { ModuleSpec } from '../../lib/nn';
import { loadBinding } from '../../lib/runtime/binding';

type Maps = Readonly<Record<string, NativeTensor>>;

const BACKBONES: readonly (() => Backbone)[] = [
  ...(['resnet18', 'resnext50_32x4d'] satisfies ResnetName[]).map((name) => () => resnetFpn(name)),
  () => resnetFpn('resnet18', { norm: 'group', returnedLayers: [2, 4], extraBlocks: null }),
  () => resnetFpn('resnet18', { norm: 'batch', fpnNorm: 'batch', extraBlocks: 'p6p7' }),
  () =>
    resnetFpn('resnet18', { returnedLayers: [2, 3, 4], extraBlocks: 'p6p7OnC5', outChannels: 64 }),
  ...MOBILENET_NAMES.flatMap((name) => [
    () => mobileNetFpn(name, { returnedLayers: [1, 2, 3, 5], outChannels: 64 }),
    () => mobileNet(name, { norm: 'batch', outChannels: 96 }),
  ]),
];

describe('compiling models', () => {
  let binding: Binding;
  before(() => {
    binding = loadBinding();
  });

  async function compile(spec: ModuleSpec): Promise<NativeModule> {
    const module = await binding.Module.compile(spec, { device: 'cpu', seed: 1 });
    await module.setTraining(false);
    return module;
  }

  const image = (height: number, width: number): NativeTensor =>
    binding.Tensor.random('uniform', [1, 3, height, width], 2);

  async function checkRcnn(module: NativeModule, config: RcnnConfig, numClasses: number) {
    const [maps, objectness, deltas] = (await module.call('forward', [
      image(64, 96),
    ])) as unknown as [Maps, NativeTensor[], NativeTensor[]];
    const { anchors, roiHeads } = config;
    const sizes = Object.values(maps).map((map) => map.shape.slice(2));
    assert.equal(sizes.length, anchors.sizes.length);
    sizes.forEach((size, level) => {
      const perCell =
        (anchors.sizes[level]?.length ?? 0) * (anchors.aspectRatios[level]?.length ?? 0);
      assert.deepEqual(objectness[level]?.shape, [1, perCell, ...size]);
      assert.deepEqual(deltas[level]?.shape, [1, perCell * 4, ...size]);
    });

    const channels = maps['0']?.shape[1] ?? 0;
    const pooled = binding.Tensor.random(
      'normal',
      [3, channels, ...roiHeads.boxRoiPool.outputSize],
      3,
    );
    const [logits, boxes] = (await module.call('roi_heads.forward', [pooled])) as NativeTensor[];
    assert.deepEqual(logits?.shape, [3, numClasses]);
    assert.deepEqual(boxes?.shape, [3, numClasses * 4]);
  }

  /** Anchors of each place of a level: default boxes are two squares and two for each ratio; the original FCOS has points. */
  function anchorsPerCell({ anchors, defaultBoxes }: DenseConfig, levels: number): number[] {
    if (defaultBoxes) return defaultBoxes.aspectRatios.map((ratios) => 2 + 2 * ratios.length);
    if (!anchors) return new Array<number>(levels).fill(1);
    return anchors.sizes.map((sizes, i) => sizes.length * (anchors.aspectRatios[i]?.length ?? 0));
  }

  async function checkDense(module: NativeModule, config: DenseConfig, numClasses: number) {
    const [maps, outputs] = (await module.call('forward', [image(320, 320)])) as unknown as [
      Maps,
      Maps,
    ];
    const levels = Object.values(maps);
    const perCell = anchorsPerCell(config, levels.length);
    const counts = levels.map(
      ({ shape }, level) => (shape[2] ?? 0) * (shape[3] ?? 0) * (perCell[level] ?? 0),
    );
    const places = counts.reduce((sum, count) => sum + count, 0);
    const classes = config.head === 'fcosOriginal' ? numClasses - 1 : numClasses;
    const widths = { cls_logits: classes, bbox_regression: 4, bbox_ctrness: 1 };
    for (const [name, output] of Object.entries(outputs)) {
      assert.deepEqual(output.shape, [1, places, widths[name as keyof typeof widths]], name);
    }
  }

  for (const make of BACKBONES) {
    const { description } = make();
    it(`${description.builder} ${description.name} ${JSON.stringify(description.options)}`, async () => {
      const backbone = make();
      const module = await compile(backbone.module);
      const maps = (await module.call('forward', [image(256, 128)])) as Maps;
      assert.deepEqual(Object.keys(maps), backbone.featureNames);
      Object.values(maps).forEach((map, i) => {
        const stride = backbone.strides[i] ?? 0;
        assert.deepEqual(map.shape, [1, backbone.channels[i], 256 / stride, 128 / stride]);
      });
      module.dispose();
    });
  }

  for (const name of MODEL_NAMES) {
    it(`${name} with torchvision's names, heads and freezing`, async () => {
      const spec = buildModel(name, { pretrained: 'backbone', numClasses: 5 });
      const module = await compile(spec.module);
      const described = [...stateOf(spec.module)].map((entry) => ({
        name: entry.name,
        kind: entry.kind,
        shape: entry.shape,
        requiresGrad: entry.kind === 'parameter' && entry.requiresGrad,
      }));
      const compiled = (await module.names()).map(({ name: key, kind, shape, requiresGrad }) => ({
        name: key,
        kind,
        shape,
        requiresGrad,
      }));
      assert.deepEqual(compiled, described);

      if (spec.config.kind === 'dense') await checkDense(module, spec.config, spec.numClasses);
      else await checkRcnn(module, spec.config, spec.numClasses);
      module.dispose();
    });
  }
});
