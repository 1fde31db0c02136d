import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { Detector } from '../../lib';
import { resumedOptions, train } from '../../lib/cli/run-train';
import { holdOut, openTrainingImages } from '../../lib/cli/train-data';
import { planModel } from '../../lib/cli/train-model';
import type { TrainOptions } from '../../lib/cli/train-options';
import { TrainProgress } from '../../lib/cli/train-progress';
import { UsageError } from '../../lib/cli/usage-error';
import { readRunState } from '../../lib/training/run-state';
import type { MetricsRecord } from '../../lib/training/records';
import type { TrainingStep } from '../../lib/training/trainer';
import { writeSquares } from '../training/made-data';
import { oneThread } from '../training/trainer-helpers';
import { runHere } from './run-here';

const folder = mkdtempSync(join(tmpdir(), 'torchdet-train-'));

const options: TrainOptions = {
  valFraction: 0.1,
  out: 'run',
  epochs: 1,
  batchSize: 2,
  accumulate: 1,
  optimizer: 'sgd',
  momentum: 0.9,
  schedule: 'cosine',
  gamma: 0.1,
  seed: 0,
  amp: 'off',
  clipNorm: 10,
  evalEvery: 1,
  bestBy: 'ap',
  checkpointMinutes: 5,
  cache: 0,
  device: 'cpu',
};

/** What of a data set decides the heads; the background counts. */
const withClasses = (count: number) => ({
  names: Array.from({ length: count }, (_, k) => `class ${k}`),
  keypointCount: 0,
  categories: [],
});

describe('torchdet train', () => {
  const data = join(folder, 'squares');
  const out = join(folder, 'run');
  before(oneThread.begin);
  before(() => writeSquares(data, { train: 4, val: 2 }));
  after(oneThread.end);
  after(() => {
    rmSync(folder, { recursive: true });
  });

  // Written once, so that the model is as small as can be.
  const tiny = () => {
    const file = join(folder, 'tiny.json');
    const backbone = {
      builder: 'mobileNetFpn',
      name: 'mobilenet_v3_small',
      options: { outChannels: 8, norm: 'batch' },
    };
    const head = { boxHead: { kind: 'twoMlp', representationSize: 8 } };
    const model = { builder: 'fasterRcnn', options: { minSize: 64, ...head }, backbone };
    writeFileSync(file, JSON.stringify(model));
    return file;
  };
  const quick = () => ['--data', data, '--model', tiny(), '--batch-size', '2', '--device', 'cpu'];

  it('trains, evaluates, and says where the results are', async () => {
    const { code, stdout, stderr } = await runHere(
      'train',
      ...quick(),
      '--out',
      out,
      '--epochs',
      '1',
    );
    assert.equal(code, 0, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /No weights to begin with/);
    assert.match(stderr, /on cpu: 4 images, 2 for validation, 2 classes, 1 epoch of 2 steps\n/);
    assert.match(
      stderr,
      /\nepoch 1\/1 {2}loss \d\.\d+ {2}AP50 \d+\.\d {2}AP \d+\.\d {2}\(best so far\)/,
    );
    assert.match(
      stderr,
      /report\.html shows how it went; torchdet detect PHOTO --model .*best\.pt/,
    );
    await using detector = await Detector.load(join(out, 'best.pt'));
    assert.deepEqual(detector.categories, ['__background__', 'red', 'blue']);
  });

  it('goes on with the options that the run was begun with', async () => {
    const { code, stderr } = await runHere('train', '--out', out, '--resume', '--epochs', '2');
    assert.equal(code, 0, stderr);
    assert.match(stderr, /2 epochs of 2 steps, going on after step 2\n/);
    assert.match(stderr, /\nepoch 2\/2/);
    const again = await runHere('train', '--out', out, '--resume', '--epochs', '2');
    assert.match(again.stderr, /There was nothing left to do\./);
    const changed = await runHere('train', '--out', out, '--resume', '--seed', '7');
    assert.equal(changed.code, 2);
    assert.match(changed.stderr, /seed was 0, is 7/);
  });

  it('goes on exactly, from the archive in the folder, after it was stopped in an epoch', async () => {
    const begin = (name: string): TrainOptions => ({
      ...options,
      data,
      model: tiny(),
      epochs: 2,
      ema: true,
      out: join(folder, name),
    });
    const quiet = new Writable({
      write: (_chunk, _encoding, done) => {
        done();
      },
    });
    await train(begin('unbroken'), { stderr: quiet });
    const controller = new AbortController();
    const terminal = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        if (chunk.toString().includes(' 1/2 ')) controller.abort();
        done();
      },
    });
    const { signal } = controller;
    const stderr = Object.assign(terminal, { isTTY: true });
    await assert.rejects(train(begin('stopped'), { stderr, signal }), { name: 'AbortError' });
    const stopped = join(folder, 'stopped');
    const state = (name: string) => readRunState(join(folder, name, 'last.state.safetensors'));
    assert.equal((await state('stopped')).position.step, 1);
    const again = await resumedOptions({ ...options, out: stopped, resume: true }, (name) =>
      ['out', 'resume'].includes(name),
    );
    let shown = '';
    const resumedStderr = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        shown += chunk.toString();
        done();
      },
    });
    await train(again, { stderr: resumedStderr });
    const lines = readFileSync(join(stopped, 'metrics.jsonl'), 'utf8').trimEnd().split('\n');
    const records = lines.map((line) => JSON.parse(line) as MetricsRecord);
    const losses = records.flatMap(({ kind, ...record }) =>
      kind === 'epoch' && 'loss' in record ? [record.loss.toFixed(3)] : [],
    );
    assert.deepEqual(
      Array.from(shown.matchAll(/^epoch \d\/2 {2}loss (\S+)/gm), ([, loss]) => loss),
      losses,
    );

    const [resumed, unbroken] = [await state('stopped'), await state('unbroken')];
    assert.equal(resumed.position.step, 4);
    for (const part of ['model', 'optimizer', 'ema'] as const) {
      const [names, tensors] = [Object.keys(unbroken[part] ?? {}), resumed[part] ?? {}];
      assert.deepEqual(Object.keys(tensors), names);
      for (const name of names) assert.deepEqual(tensors[name]?.data, unbroken[part]?.[name]?.data);
    }
  });

  it('tells of a checkpoint that cannot be written after it was stopped', async () => {
    const out = join(folder, 'full');
    const controller = new AbortController();
    let text = '';
    const terminal = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        if (!controller.signal.aborted && text.includes(' 1/2 ')) {
          // A folder cannot be written over, by root neither.
          rmSync(join(out, 'last.pt'));
          mkdirSync(join(out, 'last.pt'));
          controller.abort();
        }
        done();
      },
    });
    const run = train(
      { ...options, data, model: tiny(), out },
      { stderr: Object.assign(terminal, { isTTY: true }), signal: controller.signal },
    );
    await assert.rejects(run, { code: 'ERR_FILE', message: /last\.pt/ });
    assert.ok(controller.signal.aborted);
    assert.doesNotMatch(text, /--resume goes on/);
  });

  it('trains an archive further', async () => {
    const more = join(folder, 'more');
    const args = ['--data', data, '--model', join(out, 'best.pt'), '--epochs', '1', '--no-val'];
    const { code, stderr } = await runHere('train', ...args, '--batch-size', '4', '--out', more);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /--model .*more\/last\.pt/);
  });

  it('starts from the detector that ships, with heads for other classes', async () => {
    const small = join(folder, 'small');
    const args = ['--data', data, '--epochs', '1', '--batch-size', '2', '--min-size', '96'];
    const { code, stderr } = await runHere('train', ...args, '--device', 'cpu', '--out', small);
    assert.equal(code, 0, stderr);
    assert.match(stderr, /cls_score/);
    assert.match(stderr, /\nsmall on cpu: 4 images, 2 for validation, 2 classes/);
    await using detector = await Detector.load(join(small, 'last.pt'));
    assert.deepEqual(detector.categories, ['__background__', 'red', 'blue']);
    // A run's config.json describes its model.
    const { model } = JSON.parse(readFileSync(join(small, 'config.json'), 'utf8')) as {
      model: { description: object };
    };
    const described = join(folder, 'small.json');
    writeFileSync(described, JSON.stringify(model.description));
    const { spec } = planModel({ ...options, model: described }, withClasses(5));
    assert.deepEqual([spec.name, spec.numClasses], ['small', 5]);
    assert.deepEqual(spec.config.transform.minSize, [96]);
  });

  it('eval prints figures of the trained detector, as a table, JSON and a page', async () => {
    const args = ['eval', '--data', data, '--model', join(out, 'best.pt'), '--device', 'cpu'];
    const page = join(folder, 'eval.html');
    const table = await runHere(...args, '--report', page);
    assert.equal(table.code, 0, table.stderr);
    assert.match(table.stdout, /^2 images; figures in percent\n\nboxes +objects +AP +AP50/);
    assert.match(table.stdout, /\nall +4 /);
    assert.match(readFileSync(page, 'utf8'), /Figures of boxes/);
    assert.equal((await runHere(...args, '--report', page, '--score', '0.25')).code, 0);
    assert.match(readFileSync(page, 'utf8'), /detections scoring 0\.25 or more/);
    const { stdout } = await runHere(...args, '--json');
    const found = JSON.parse(stdout) as {
      images: number;
      bbox: { figures: { ap: number }; classes: { name: string }[] };
      confusion: { matrix: number[] };
    };
    assert.equal(found.images, 2);
    assert.deepEqual(
      found.bbox.classes.map(({ name }) => name),
      ['red', 'blue'],
    );
    assert.equal(found.confusion.matrix.length, 9);
    const best = JSON.parse(readFileSync(join(out, 'best.evaluation.json'), 'utf8')) as {
      kinds: { bbox: { figures: { ap: number } } };
    };
    assert.ok(Math.abs(found.bbox.figures.ap - best.kinds.bbox.figures.ap) < 1e-9);
  });

  it('trains no archive in which everything is frozen', async () => {
    const frozen = join(folder, 'frozen.pt');
    {
      await using detector = await Detector.load(join(out, 'best.pt'), { device: 'cpu' });
      await detector.freeze(['backbone', 'rpn', 'roi_heads']);
      await detector.save(frozen);
    }
    const args = ['--data', data, '--model', frozen, '--out', `${out}x`, '--device', 'cpu'];
    const { code, stderr } = await runHere('train', ...args);
    assert.match(stderr, /all parameters of .* are frozen.*\(ERR_INVALID_ARGUMENT\)/);
    assert.equal(code, 2);
    assert.ok(!existsSync(`${out}x`));
  });

  it('says what does not fit, with exit code 2', async () => {
    const archive = ['--out', `${out}x`, '--data', data, '--model', join(out, 'best.pt')];
    const own = (flag: string) => new RegExp(`is an archive, .*: leave out ${flag}\\.`);
    const cases: readonly [string[], RegExp][] = [
      [[...archive, '--backbone', 'resnet18'], own('--backbone')],
      [[...archive, '--weights', 'DEFAULT'], own('--weights')],
      [[...archive, '--backbone-weights', 'DEFAULT'], own('--backbone-weights')],
      [[...archive, '--min-size', '96', '--max-size', '96'], own('--min-size, --max-size')],
      [[...archive, '--trainable-layers', '0'], own('--trainable-layers')],
      [[...archive, '--model-options', '{}'], own('--model-options')],
      [[...archive, '--backbone-options', '{}'], own('--backbone-options')],
      [[...archive, '--classes', 'red'], /has its classes \(red, blue\): leave out --classes/],
      [['--out', `${out}x`, ...quick(), '--trainable-layers', '1'], /leave out --trainable-layers/],
      [['--out', `${out}x`, ...quick(), '--backbone-options', '{}'], /that --backbone names/],
      [['--out', out, ...quick()], /holds a training run already: --resume goes on with it/],
      [['--out', `${out}x`, '--resume'], /--resume: .*runx holds no run of torchdet train/],
      [['--out', `${out}x`], /--data DIR is missing/],
      [[...quick()], /required option '-o, --out <folder>'/],
      [['--out', `${out}x`, ...quick(), '--epochs', '0'], /whole number from 1/],
      [['--out', `${out}x`, ...quick(), '--lr', '-1'], /number above 0/],
      [['--out', `${out}x`, ...quick(), '--augment', 'flip'], /Allowed choices are hflip/],
      [['--out', `${out}x`, ...quick(), '--model-options', '[1]'], /an object as JSON/],
      [['--out', `${out}x`, '--data', data, '--model', 'fasterrcnn_resnet50'], /Did you mean/],
      [['--out', `${out}x`, '--data', data, '--model', 'no/such.pt'], /no such file/],
      [['--out', `${out}x`, '--data', data, '--backbone', 'resnet19'], /Did you mean "resnet1/],
      [['--out', `${out}x`, ...quick(), '--classes', 'green'], /red, blue/],
    ];
    for (const [args, message] of cases) {
      const { code, stderr } = await runHere('train', ...args);
      assert.match(stderr, message);
      assert.ok(code === 2 || stderr.includes('ERR_DATASET'), stderr);
    }
  });
});

describe('images to train on', () => {
  const say = () => undefined;

  it('are apart from those held out, the same for a seed', () => {
    const { train, val } = holdOut(20, 0.1, 3);
    assert.deepEqual([train.length, val.length], [18, 2]);
    assert.deepEqual(
      [...train, ...val].sort((a, b) => a - b),
      [...Array(20).keys()],
    );
    assert.deepEqual(holdOut(20, 0.1, 3).val, val);
    assert.notDeepEqual(holdOut(20, 0.1, 4).val, val);
    assert.deepEqual(holdOut(2, 0.1, 0).val.length, 1);
  });

  it('come from splits where there are any, else a share is set apart', async () => {
    const path = join(tmpdir(), `torchdet-splits-${process.pid}`);
    await writeSquares(path, { train: 3, val: 2 });
    try {
      const split = await openTrainingImages({ ...options, data: path }, undefined, { say });
      assert.deepEqual([split.data.length, split.indices], [3, undefined]);
      assert.ok(split.val && !('indices' in split.val));
      assert.equal(split.val.length, 2);
      const lines: string[] = [];
      const single = join(path, 'annotations', 'instances_train.json');
      const held = await openTrainingImages(
        { ...options, data: single, imageDir: join(path, 'train') },
        undefined,
        { say: (line) => lines.push(line) },
      );
      assert.equal(held.indices?.length, 2);
      assert.ok(held.val && 'indices' in held.val && held.val.indices.length === 1);
      assert.match(lines.join(), /1 of 3 images are set apart/);
      const none = await openTrainingImages({ ...options, data: path, val: false }, undefined, {
        say,
      });
      assert.equal(none.val, undefined);
    } finally {
      rmSync(path, { recursive: true });
    }
  });
});

describe('the model to train', () => {
  it('is the shipped one by default, with heads for the classes', () => {
    for (const model of [undefined, 'small']) {
      const chosen = { ...options, ...(model !== undefined && { model }), minSize: 200 };
      const { spec, weights } = planModel(chosen, withClasses(4));
      assert.equal(spec.numClasses, 4);
      assert.match(weights ?? '', /assets\/\w+-mobilenetv2-fpn\.safetensors$/);
      assert.deepEqual(spec.config.transform.minSize, [200]);
    }
    const given = { backboneWeights: 'x.pth', trainableLayers: 0 };
    const plan = planModel({ ...options, model: 'small', ...given }, withClasses(4));
    assert.equal(plan.weights, undefined);
    assert.ok(
      plan.spec.trainable.frozen.length >
        planModel(options, withClasses(4)).spec.trainable.frozen.length,
    );
  });

  it('trains all of a backbone without weights, and freezes its norms with them', () => {
    const backbone = 'mobilenet_v2';
    const scratch = planModel({ ...options, backbone }, withClasses(3)).spec;
    assert.deepEqual(scratch.trainable.frozen, []);
    const pretrained = planModel(
      { ...options, backbone, backboneWeights: 'x.pth' },
      withClasses(3),
    ).spec;
    assert.ok(pretrained.trainable.frozen.length > 0);
    const { config } = scratch;
    assert.ok(config.kind === 'rcnn');
    assert.deepEqual(config.anchors.sizes[0], [32, 45]);
    assert.deepEqual([config.transform.minSize, config.transform.maxSize], [[480], 800]);
    const larger = planModel({ ...options, backbone, minSize: 600 }, withClasses(3)).spec;
    assert.deepEqual(larger.config.transform.minSize, [600]);
  });

  it('finds the keypoints of the data set', () => {
    const keypoints = ['nose', 'left_ear', 'right_ear'];
    const categories = [{ label: 1, id: 1, name: 'dog', keypoints }];
    const data = { names: ['__background__', 'dog'], keypointCount: 3, categories };
    const family = { backbone: 'resnet18', model: 'keypointRcnn' };
    for (const choice of [family, { model: 'keypointrcnn_resnet50_fpn' }]) {
      const { spec } = planModel({ ...options, ...choice }, data);
      assert.deepEqual(spec.keypointNames, keypoints);
    }
  });

  it('is of any family on a backbone, or one by name with options', () => {
    const dense = planModel(
      { ...options, backbone: 'resnet18', model: 'retina-net' },
      withClasses(3),
    ).spec;
    assert.equal(dense.config.kind, 'dense');
    const named = planModel(
      { ...options, model: 'ssdlite320_mobilenet_v3_large', modelOptions: { nmsThresh: 0.4 } },
      withClasses(3),
    ).spec;
    assert.ok(named.config.kind === 'dense');
    assert.equal(named.config.nmsThresh, 0.4);
    assert.throws(
      () => planModel({ ...options, backbone: 'resnet18', model: 'ssd300_vgg16' }, withClasses(3)),
      (error) => error instanceof UsageError && error.message.includes('leave out --backbone'),
    );
  });
});

describe('progress of training', () => {
  const step = (number: number, more: Partial<TrainingStep> = {}): TrainingStep => ({
    epoch: 0,
    step: number,
    steps: 4,
    losses: {},
    total: 2 / number,
    lr: 0.005,
    gradNorm: 1,
    imagesPerSecond: 8.25,
    secondsLeft: 75,
    ...more,
  });
  const collect = (isTTY: boolean) => {
    let text = '';
    const stream = new Writable({
      write: (chunk: Buffer, _encoding, done) => {
        text += chunk.toString();
        done();
      },
    });
    return { stream: Object.assign(stream, { isTTY }), text: () => text };
  };

  it('is a line an epoch where there is no terminal', () => {
    const { stream, text } = collect(false);
    const progress = new TrainProgress(stream, { epochs: 2, stepsPerEpoch: 2 });
    progress.step(step(1));
    // The trainer's mean: it knows of steps before a resumption.
    progress.step(step(2, { epochLoss: 2.4375 }));
    assert.equal(text(), 'epoch 1/2  loss 2.438  0 s, 1 min 15 s left\n');
  });

  it('is a bar with loss, rate, speed and time left on a terminal', () => {
    const { stream, text } = collect(true);
    const progress = new TrainProgress(stream, { epochs: 2, stepsPerEpoch: 3 });
    progress.step(step(1));
    progress.stop();
    assert.match(
      text(),
      /epoch 1\/2 .*1\/3 {2}loss 2\.000 {2}rate 0\.005 {2}8\.3 images\/s {2}1 min 15 s left/,
    );
  });
});
