import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { cachedWeights, cachedWeightsPath } from '../../lib/checkpoints/cache';
import { cacheDirectory } from '../../lib/runtime/cache-dir';
import { cocoCategories, findWeights, listWeights } from '../../lib/models/weights';

describe('weights catalogue', () => {
  it('quotes the published figures', () => {
    const published: [string, number, number][] = [
      ['FasterRCNN_ResNet50_FPN_Weights.COCO_V1', 37.0, 41_755_286],
      ['FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1', 46.7, 43_712_278],
      ['FasterRCNN_MobileNet_V3_Large_FPN_Weights.COCO_V1', 32.8, 19_386_354],
      ['FasterRCNN_MobileNet_V3_Large_320_FPN_Weights.COCO_V1', 22.8, 19_386_354],
      ['RetinaNet_ResNet50_FPN_Weights.COCO_V1', 36.4, 34_014_999],
      ['RetinaNet_ResNet50_FPN_V2_Weights.COCO_V1', 41.5, 38_198_935],
      ['FCOS_ResNet50_FPN_Weights.COCO_V1', 39.2, 32_269_600],
      ['SSD300_VGG16_Weights.COCO_V1', 25.1, 35_641_826],
      ['SSDLite320_MobileNet_V3_Large_Weights.COCO_V1', 21.3, 3_440_060],
      ['MaskRCNN_ResNet50_FPN_Weights.COCO_V1', 37.9, 44_401_393],
      ['MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1', 47.4, 46_359_409],
      ['KeypointRCNN_ResNet50_FPN_Weights.COCO_V1', 54.6, 59_137_258],
    ];
    for (const [name, boxAp, numParams] of published) {
      const entry = findWeights(name);
      assert.equal(entry.metrics.boxAp, boxAp, name);
      assert.equal(entry.numParams, numParams, name);
    }
    assert.equal(findWeights('MaskRCNN_ResNet50_FPN_Weights.COCO_V1').metrics.maskAp, 34.6);
    assert.equal(findWeights('KeypointRCNN_ResNet50_FPN_Weights.COCO_V1').metrics.keypointAp, 65.0);
    assert.equal(findWeights('MaskRCNN_ResNet50_FPN_V2_Weights.COCO_V1').metrics.maskAp, 41.8);
  });

  it('holds for every entry what a download needs', () => {
    assert.ok(listWeights().length >= 40);
    for (const { name, url, sha256Prefix, aliases, fileSize } of listWeights()) {
      assert.match(url, /^https:\/\/download\.pytorch\.org\/models\/[\w.-]+\.pth$/, name);
      assert.match(sha256Prefix, /^[0-9a-f]{8,}$/, name);
      assert.ok(url.endsWith(`-${sha256Prefix}.pth`), name);
      assert.ok(aliases.includes(name.split('.')[1] ?? ''), name);
      assert.ok(fileSize > 1e6, name);
    }
    const names = listWeights().map(({ name }) => name);
    assert.equal(new Set(names).size, names.length);
  });

  it('names COCO as torchvision does', () => {
    assert.equal(cocoCategories.length, 91);
    assert.deepEqual(cocoCategories.slice(0, 3), ['__background__', 'person', 'bicycle']);
    assert.equal(cocoCategories[12], 'N/A');
    assert.equal(cocoCategories[90], 'toothbrush');
    const { categories, keypointNames } = findWeights('DEFAULT', 'keypointrcnn_resnet50_fpn');
    assert.deepEqual(categories, ['no person', 'person']);
    assert.equal(keypointNames?.length, 17);
  });

  it('knows which weights were trained with an eps of 0', () => {
    const zero = listWeights().filter(({ frozenNormEps }) => frozenNormEps === 0);
    assert.deepEqual(
      zero.map(({ model }) => model),
      [
        'fasterrcnn_resnet50_fpn',
        'keypointrcnn_resnet50_fpn',
        'maskrcnn_resnet50_fpn',
        'retinanet_resnet50_fpn',
      ],
    );
    assert.ok(zero.every(({ name }) => name.endsWith('.COCO_V1')));
  });

  it('finds short names with their model', () => {
    const v1 = 'FasterRCNN_ResNet50_FPN_Weights.COCO_V1';
    assert.equal(findWeights('COCO_V1', 'fasterrcnn_resnet50_fpn').name, v1);
    assert.equal(findWeights('DEFAULT', 'fasterrcnn_resnet50_fpn').name, v1);
    assert.equal(findWeights(v1, 'fasterrcnn_resnet50_fpn').name, v1);
    assert.equal(findWeights('DEFAULT', 'resnet50').name, 'ResNet50_Weights.IMAGENET1K_V2');
    assert.equal(findWeights('ResNet50_Weights.DEFAULT').name, 'ResNet50_Weights.IMAGENET1K_V2');
    assert.ok(findWeights('IMAGENET1K_FEATURES', 'vgg16').url.includes('amdegroot'));
  });

  it('suggests the nearest name', () => {
    assert.throws(() => findWeights('FasterRCNN_Resnet50_FPN_Weight.COCO_V1'), {
      code: 'ERR_OPTION_VALUE',
      message: /Did you mean "FasterRCNN_ResNet50_FPN_Weights\.COCO_V1"/,
    });
    assert.throws(
      () => findWeights('COCO_V2', 'fasterrcnn_resnet50_fpn'),
      /Did you mean "COCO_V1"/,
    );
    assert.throws(() => findWeights('COCO_V1'), /only together with a model/);
    assert.throws(() => findWeights('DEFAULT', 'resnet51'), {
      code: 'ERR_MODEL_UNKNOWN',
      message: /Did you mean "resnet\d+"/,
    });
    assert.throws(
      () => findWeights('FasterRCNN_ResNet50_FPN_V2_Weights.COCO_V1', 'fasterrcnn_resnet50_fpn'),
      /weights of fasterrcnn_resnet50_fpn_v2, not of fasterrcnn_resnet50_fpn/,
    );
  });
});

describe('cachedWeights', () => {
  const names = ['TORCHDET_CACHE', 'TORCH_HOME', 'XDG_CACHE_HOME', 'HTTP_PROXY', 'http_proxy'];
  let folder: string;
  let before: (string | undefined)[];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchdet-cache-'));
    before = names.map((name) => process.env[name]);
    for (const name of names) Reflect.deleteProperty(process.env, name);
    process.env.TORCHDET_CACHE = folder;
    process.env.TORCH_HOME = join(folder, 'torch');
  });

  afterEach(() => {
    names.forEach((name, i) => {
      if (before[i] === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = before[i];
    });
    rmSync(folder, { recursive: true });
  });

  it('downloads once, checks the hash and says where to put the file by hand', async () => {
    const content = Buffer.from('weights');
    const sha256Prefix = createHash('sha256').update(content).digest('hex').slice(0, 8);
    let served = 0;
    const server = createServer((request, response) => {
      served++;
      if (request.url?.includes('missing')) response.writeHead(404).end();
      else response.end(content);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models`;
    try {
      const entry = { url: `${base}/model-${sha256Prefix}.pth`, sha256Prefix };
      const path = await cachedWeights(entry);
      assert.equal(path, join(folder, 'weights', `model-${sha256Prefix}.pth`));
      assert.equal(path, cachedWeightsPath(entry));
      assert.ok(readFileSync(path).equals(content));
      await cachedWeights(entry);
      assert.equal(served, 1);

      const missing = { url: `${base}/missing-00000000.pth`, sha256Prefix: '00000000' };
      await assert.rejects(cachedWeights(missing), (error: Error) => {
        assert.ok(error.message.includes(`put it at ${cachedWeightsPath(missing)}`));
        return true;
      });
      assert.ok(!existsSync(cachedWeightsPath(missing)));
    } finally {
      server.close();
    }
  });

  it('lies where caches lie unless told otherwise', () => {
    assert.equal(cacheDirectory(), folder);
    process.env.TORCHDET_CACHE = '';
    assert.match(cacheDirectory(), /torchdet/);
  });
});
