import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { planDetector, readCategories } from '../../lib/cli/detector-plan';
import { UsageError } from '../../lib/cli/usage-error';
import { TorchdetError } from '../../lib/errors';

describe('planDetector', () => {
  let root: string;
  let file: string;

  before(async () => {
    root = await mkdtemp(join(tmpdir(), 'torchdet-plan-'));
    file = join(root, 'mine.pth');
    await writeFile(file, '');
  });

  after(() => rm(root, { recursive: true }));

  const resnet = 'fasterrcnn_resnet50_fpn';
  const published = 'FasterRCNN_ResNet50_FPN_Weights.COCO_V1';

  it('takes the embedded detector by default', () => {
    assert.deepEqual(planDetector({}, undefined), { kind: 'default' });
    assert.deepEqual(planDetector({ model: 'small' }, undefined), { kind: 'default' });
  });

  it("takes a model's published weights where none are given", () => {
    const plan = { kind: 'model', model: resnet, weights: published, published: true };
    assert.deepEqual(planDetector({ model: resnet }, undefined), plan);
    assert.deepEqual(planDetector({ model: resnet, weights: 'coco_v1' }, undefined), plan);
    assert.deepEqual(planDetector({ weights: published }, undefined), plan);
  });

  it('takes checkpoints and archives', () => {
    const categories = ['__background__', 'cat'];
    assert.deepEqual(planDetector({ model: resnet, weights: file }, categories), {
      kind: 'model',
      model: resnet,
      weights: file,
      published: false,
      categories,
    });
    assert.deepEqual(planDetector({ model: file }, undefined), { kind: 'archive', path: file });
  });

  const wrong = (
    options: { model?: string; weights?: string },
    pattern: RegExp,
    names?: string[],
  ) => {
    assert.throws(
      () => planDetector(options, names),
      (error) => {
        assert.ok(error instanceof UsageError || error instanceof TorchdetError);
        if (error instanceof TorchdetError) {
          assert.match(error.code, /^ERR_(MODEL_UNKNOWN|OPTION_VALUE)$/);
        }
        assert.match(error.message, pattern);
        return true;
      },
    );
  };

  it('explains what does not fit', () => {
    wrong({ model: 'fasterrcnn_resnet50_fpm' }, /fasterrcnn_resnet50_fpn"/);
    wrong({ model: join(root, 'gone.pt') }, /gone\.pt: no such file/);
    wrong({ model: resnet, weights: 'gone.pth' }, /gone\.pth: no such file/);
    wrong({ model: resnet, weights: 'COCO_V7' }, /COCO_V1/);
    wrong({ weights: file }, /needs --model/);
    wrong({ model: file, weights: file }, /leave out --weights/);
    wrong({ weights: 'VGG16_BN_Weights.IMAGENET1K_V1' }, /vgg16_bn, which is a backbone/);
    wrong({ model: resnet }, /gives 2 names, but .* know 90/, ['__background__', 'a', 'b']);
  });
});

describe('readCategories', () => {
  it('reads names between commas, with or without the background', () => {
    const wanted = ['__background__', 'cat', 'hot dog'];
    assert.deepEqual(readCategories('cat, hot dog'), wanted);
    assert.deepEqual(readCategories('__background__,cat,hot dog'), wanted);
    assert.deepEqual(readCategories('Background,cat,hot dog,'), wanted);
  });

  it('reads files', async () => {
    const root = await mkdtemp(join(tmpdir(), 'torchdet-classes-'));
    const [lines, json, bad] = ['c.txt', 'c.json', 'bad.json'].map((name) => join(root, name)) as [
      string,
      string,
      string,
    ];
    await writeFile(lines, 'cat\r\n\r\nhot dog\n');
    await writeFile(json, '["cat", "a, b"]');
    await writeFile(bad, '{"cat": 1}');
    assert.deepEqual(readCategories(lines), ['__background__', 'cat', 'hot dog']);
    assert.deepEqual(readCategories(json), ['__background__', 'cat', 'a, b']);
    assert.throws(() => readCategories(bad), /array of names/);
    await rm(root, { recursive: true });
  });

  it('refuses empty lists and files that are not there', () => {
    assert.throws(() => readCategories(' , '), UsageError);
    assert.throws(() => readCategories('./gone.txt'), /no such file/);
  });
});
