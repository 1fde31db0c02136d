import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  adamW,
  Detector,
  fasterRcnn,
  maskRcnn,
  mobileNetFpn,
  openDataset,
  sgd,
  TorchdetError,
  Trainer,
} from '../../lib';
import type { Dataset, MetricsRecord, RunOptions, TrainerOptions } from '../../lib';
import { readRunState } from '../../lib/training/run-state';
import { writeSquares } from './made-data';
import { finish, oneThread, openSquares, tinyDetector, tinyRun } from './trainer-helpers';

const STATE = 'last.state.safetensors';

describe('Trainer', () => {
  const folder = mkdtempSync(join(tmpdir(), 'torchdet-trainer-'));
  before(oneThread.begin);
  before(() => writeSquares(join(folder, 'squares'), { train: 6, val: 2 }));
  after(oneThread.end);
  after(() => {
    rmSync(folder, { recursive: true });
  });

  const bytes = (run: string, file: string) => readFileSync(join(folder, run, file));
  const metrics = (run: string): MetricsRecord[] =>
    bytes(run, 'metrics.jsonl')
      .toString()
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as MetricsRecord);
  const withoutTimes = (records: readonly MetricsRecord[]) =>
    records.map((record) => ({ ...record, seconds: 0 }));

  /** All numbers of a run's state, and where it stands. */
  async function stateOf(run: string) {
    const { position, ...parts } = await readRunState(join(folder, run, STATE));
    const tensors = Object.entries(parts).flatMap(([part, tensorsOf]) =>
      Object.entries(tensorsOf ?? {}).map(
        ([name, { data }]) =>
          [
            `${part}.${name}`,
            Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString('base64'),
          ] as const,
      ),
    );
    const { epoch, batch, step, epochImages, epochLoss, best, sinceBest, ended } = position;
    const place = { epoch, batch, step, epochImages, epochLoss, best, sinceBest, ended };
    return { tensors: new Map(tensors), place, lastTotal: position.lastStep?.total };
  }

  describe('a run', () => {
    it('tells of each step, and keeps a folder that says all about it', async () => {
      const { steps, best, ended, length } = await finish(await tinyRun(folder, 'whole'));
      assert.deepEqual(length, { epochs: 2, stepsPerEpoch: 3, steps: 6 });
      assert.equal(ended, 'epochs');
      assert.deepEqual(
        steps.map(({ epoch, step, steps: all }) => [epoch, step, all]),
        [0, 0, 0, 1, 1, 1].map((epoch, i) => [epoch, i + 1, 6]),
      );
      for (const { losses, total, lr, imagesPerSecond } of steps) {
        assert.deepEqual(Object.keys(losses), [
          'loss_classifier',
          'loss_box_reg',
          'loss_objectness',
          'loss_rpn_box_reg',
        ]);
        const sum = Object.values(losses).reduce((a, b) => a + b, 0);
        assert.ok(Math.abs(sum - total) < 1e-5 * total);
        assert.ok(lr > 0 && imagesPerSecond > 0);
      }
      assert.deepEqual(
        steps.map(({ evaluation }) => evaluation !== undefined),
        [false, false, true, false, false, true],
      );
      assert.equal(steps.at(-1)?.secondsLeft, 0);
      assert.equal(steps[2]?.evaluation?.best, true);
      assert.equal(best?.epoch, steps[5]?.evaluation?.best ? 1 : 0);

      const files = [
        'best.evaluation.json',
        'best.pt',
        'config.json',
        'last.pt',
        STATE,
        'metrics.jsonl',
        'report.html',
      ];
      assert.deepEqual(readdirSync(join(folder, 'whole')).sort(), files.sort());
      const records = metrics('whole');
      assert.deepEqual(
        records.map(({ kind, epoch, step }) => `${kind} ${epoch} ${step}`),
        [
          'step 0 1',
          'step 0 2',
          'step 0 3',
          'epoch 0 3',
          'step 1 4',
          'step 1 5',
          'step 1 6',
          'epoch 1 6',
        ],
      );
      const { model, training } = JSON.parse(bytes('whole', 'config.json').toString()) as {
        model: { name: string; categories: string[]; description: { builder: string } };
        training: { batchSize: number; augmentation: string; optimizer: { lr: number } };
      };
      assert.equal(model.description.builder, 'fasterRcnn');
      assert.deepEqual(model.categories, ['__background__', 'red', 'blue']);
      assert.deepEqual([training.batchSize, training.augmentation], [2, 'hflip']);
      assert.equal(training.optimizer.lr, 0.005);
    });

    it('leaves detectors that load and detect with the classes of the data', async () => {
      for (const name of ['best.pt', 'last.pt']) {
        await using detector = await Detector.load(join(folder, 'whole', name));
        assert.deepEqual(detector.categories, ['__background__', 'red', 'blue']);
        const [result] = await detector.predict([readFileSync(join(folder, 'squares/val/0.png'))]);
        assert.equal(result?.width, 96);
      }
    });

    it('writes a report with curves, figures by class, confusion and the worst images', () => {
      const page = bytes('whole', 'report.html').toString();
      for (const part of [
        'Loss',
        'loss_rpn_box_reg',
        'Learning rate',
        'Average precision of boxes',
      ]) {
        assert.ok(page.includes(part), part);
      }
      for (const part of [
        '<td>red</td>',
        'class="confusion"',
        'data:image/jpeg;base64,',
        'config.json',
      ]) {
        assert.ok(page.includes(part), part);
      }
      assert.ok(!/(src|href)="?https?:/.test(page) && !page.includes('<script'));
    });

    it('does not begin where there is one already', async () => {
      const options = await tinyRun(folder, 'whole');
      await assert.rejects(Trainer.create(options), { code: 'ERR_INVALID_ARGUMENT' });
      await options.detector.dispose();
    });
  });

  describe('resume', () => {
    it('after kill -9 gives the weights, averages, optimizer and metrics of an uninterrupted run', async () => {
      const child = spawn(
        process.execPath,
        ['-r', 'tsx/cjs', join(__dirname, 'killed-run.ts'), folder, '5'],
        { stdio: 'inherit', cwd: join(__dirname, '../..') },
      );
      const whole = finish(await tinyRun(folder, 'unbroken', { ema: true }));
      assert.deepEqual(await once(child, 'exit'), [null, 'SIGKILL']);
      await whole;
      assert.equal((await stateOf('killed')).place.step, 4);
      // Lines beyond the checkpoint, and what was being written, are gone afterwards.
      assert.equal(metrics('killed').at(-1)?.step, 5);
      writeFileSync(join(folder, 'killed', 'last.pt.123.abcdef.part'), 'half');

      const { steps } = await finish(await tinyRun(folder, 'killed', { ema: true, resume: true }));
      assert.deepEqual(
        steps.map(({ step }) => step),
        [5, 6],
      );
      const [resumed, unbroken] = [await stateOf('killed'), await stateOf('unbroken')];
      assert.deepEqual(resumed, unbroken);
      assert.ok(resumed.tensors.size > 300);
      assert.deepEqual(withoutTimes(metrics('killed')), withoutTimes(metrics('unbroken')));
      assert.ok(!readdirSync(join(folder, 'killed')).some((name) => name.endsWith('.part')));
    });

    it('has nothing to do where the run is done, and more where epochs are added', async () => {
      const done = await finish(await tinyRun(folder, 'unbroken', { ema: true, resume: true }));
      assert.deepEqual([done.steps.length, done.ended], [0, 'epochs']);
      const more = await finish(
        await tinyRun(folder, 'unbroken', { ema: true, resume: true, epochs: 3 }),
      );
      assert.deepEqual(
        more.steps.map(({ step }) => step),
        [7, 8, 9],
      );
    });

    it('refuses a run that was begun otherwise, and a folder without one', async () => {
      const cases = [
        ['whole', { batchSize: 3 }, /batchSize was 2, is 3/],
        ['whole', { seed: 5 }, /seed was 0, is 5/],
        ['whole', { indices: [0, 1] }, /the images to train on are others/],
        ['whole', { ema: 0.9 }, /ema was false, is 0.9/],
        ['empty', {}, /holds no training run/],
      ] as const;
      for (const [run, changes, message] of cases) {
        const options = await tinyRun(folder, run, { resume: true, ...changes });
        await assert.rejects(Trainer.create(options), { code: 'ERR_INVALID_ARGUMENT', message });
        await options.detector.dispose();
      }
    });

    it('says where the state is damaged', async () => {
      const options = await tinyRun(folder, 'cut', { epochs: 1, val: undefined });
      const trainer = await Trainer.create(options);
      await trainer.dispose();
      const path = join(folder, 'cut', STATE);
      writeFileSync(path, readFileSync(path).subarray(0, statSync(path).size - 100));
      await assert.rejects(Trainer.create({ ...options, resume: true }), {
        code: 'ERR_CHECKPOINT_FORMAT',
      });
      await options.detector.dispose();
    });
  });

  describe('what ends a run', () => {
    it('a signal: after the step, with a checkpoint that it goes on from', async () => {
      const options = await tinyRun(folder, 'aborted', { val: undefined });
      const controller = new AbortController();
      const trainer = await Trainer.create(options);
      const reason = new Error('enough');
      const steps: number[] = [];
      await assert.rejects(async () => {
        for await (const { step } of trainer.run({ signal: controller.signal })) {
          steps.push(step);
          if (step === 2) controller.abort(reason);
        }
      }, reason);
      assert.deepEqual(steps, [1, 2]);
      assert.equal((await stateOf('aborted')).place.step, 2);
      // The same trainer may go on, and leaving the loop writes a checkpoint too.
      const told: (number | undefined)[] = [];
      for await (const { step, epochLoss } of trainer.run()) {
        told.push(epochLoss);
        if (step === 4) break;
      }
      assert.equal((await stateOf('aborted')).place.step, 4);
      // Of all three steps, as metrics.jsonl has it.
      const [first] = metrics('aborted').filter((record) => record.kind === 'epoch');
      assert.deepEqual(told, [first?.loss, undefined]);
      await trainer.dispose();
      await options.detector.dispose();
    });

    it('a signal that is aborted already: before any step', async () => {
      const options = await tinyRun(folder, 'never-begun', { val: undefined });
      const trainer = await Trainer.create(options);
      const reason = new Error('not at all');
      const run = trainer.run({ signal: AbortSignal.abort(reason) });
      await assert.rejects(run.next(), (error) => error === reason);
      assert.equal(trainer.step, 0);
      assert.equal(bytes('never-begun', 'metrics.jsonl').length, 0);
      for (const [given, message] of [
        [{ signal: new AbortController() }, /"signal" must be an AbortSignal/],
        [{ onEvaluation: 3 }, /"onEvaluation" must be a function/],
      ] as const) {
        const wrong = given as unknown as RunOptions;
        await assert.rejects(trainer.run(wrong).next(), { code: 'ERR_OPTION_VALUE', message });
      }
      await assert.rejects(trainer.run(null as unknown as RunOptions).next(), {
        code: 'ERR_INVALID_ARGUMENT',
      });
      // None of it stands in the way of a run.
      assert.equal((await trainer.run().next()).value?.step, 1);
      await trainer.dispose();
      await options.detector.dispose();
    });

    it('losses that are not finite: before the step, naming the images; the checkpoint stays', async () => {
      const options = await tinyRun(folder, 'diverged', {
        val: undefined,
        optimizer: sgd({ lr: 1e25 }),
        schedule: { kind: 'constant', warmupSteps: 0 },
      });
      await assert.rejects(finish(options), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'ERR_LOSS_NOT_FINITE');
        assert.match(
          error.message,
          /^Epoch 1, step [23]: .*squares\/train\/\d\.png.*learning rate/s,
        );
        return true;
      });
      const { place, tensors } = await stateOf('diverged');
      assert.equal(place.step, 0);
      const first = await tinyDetector(['', '', '']);
      const weight = Object.entries(await first.stateDict())[0];
      assert.ok(weight);
      const fresh = Buffer.from((weight[1].data as Float32Array).buffer);
      assert.equal(
        tensors.get(`model.${weight[0]}`),
        fresh.subarray(0, weight[1].byteLength).toString('base64'),
      );
      await first.dispose();
    });

    it('figures that get no better', async () => {
      const options = await tinyRun(folder, 'early', {
        epochs: 9,
        indices: [0, 1],
        optimizer: adamW({ lr: 1e-12 }),
        earlyStopping: { patience: 2 },
      });
      const { ended, best, steps } = await finish(options);
      assert.deepEqual([ended, best?.epoch, steps.length], ['early', 0, 3]);
    });
  });

  it('makes one step of several batches', async () => {
    const options = await tinyRun(folder, 'accumulated', { accumulate: 2, val: undefined });
    const { steps, length } = await finish(options);
    assert.equal(length.stepsPerEpoch, 2);
    assert.equal(steps.length, 4);
    const images = metrics('accumulated').map((record) => ('images' in record ? record.images : 0));
    assert.deepEqual(images, [4, 2, 0, 4, 2, 0]);
  });

  it('trains and compares masks, where model and data have them', async () => {
    const { data, val } = await openSquares(join(folder, 'squares'));
    assert.ok(data.hasMasks);
    const spec = maskRcnn({
      backbone: mobileNetFpn('mobilenet_v3_small', { outChannels: 8, norm: 'batch' }),
      numClasses: 3,
      categories: data.names,
      minSize: 64,
      boxHead: { kind: 'twoMlp', representationSize: 8 },
      maskHead: { layers: [8] },
      maskPredictor: { dimReduced: 8 },
    });
    const detector = await Detector.create(spec, { device: 'cpu' });
    const options = { detector, data, val, epochs: 1, batchSize: 3, out: join(folder, 'masks') };
    const { steps } = await finish(options);
    assert.ok((steps[0]?.losses.loss_mask ?? 0) > 0);
    const { figures } = steps.at(-1)?.evaluation ?? {};
    assert.ok(figures?.bbox && figures.segm);
    assert.ok(bytes('masks', 'report.html').includes('Figures of masks'));
  });

  it('leaves out images that cannot be read, where asked to', async () => {
    await writeSquares(join(folder, 'damaged'), { train: 4, val: 1 });
    writeFileSync(join(folder, 'damaged/train/1.png'), 'no picture');
    const failures: string[] = [];
    const { data } = await openSquares(join(folder, 'damaged'));
    const make = async (out: string) =>
      tinyRun(folder, out, { data, val: undefined, epochs: 1, batchSize: 1 });
    await assert.rejects(finish(await make('stops')), /train\/1\.png/);
    const skipping = {
      ...(await make('skips')),
      onError: ({ image }: { image: string }) => {
        failures.push(image);
        return 'skip' as const;
      },
    };
    const { steps } = await finish(skipping);
    assert.equal(steps.length, 4);
    assert.equal(failures.length, 1);
    assert.deepEqual(
      metrics('skips').filter((record) => 'images' in record && record.images === 0).length,
      1,
    );
  });

  it('does not begin where a label has another name in the data than in the detector', async () => {
    await using detector = await tinyDetector(['bg', 'blue', 'red']);
    const options = await tinyRun(folder, 'named', { detector });
    const differs = {
      code: 'ERR_INVALID_ARGUMENT',
      message:
        /label 1 is "red" in data, but "blue" in the detector.*classes: detector\.categories/,
    };
    await assert.rejects(Trainer.create(options), differs);
    const opening = { split: 'train', classes: detector.categories?.slice(1) };
    const data = await openDataset(join(folder, 'squares'), opening);
    await assert.rejects(Trainer.create({ ...options, data }), {
      ...differs,
      message: /"red" in val, but "blue"/,
    });
    const { steps } = await finish({ ...options, data, val: undefined, epochs: 1 });
    assert.equal(steps.length, 3);
  });

  it('begins where the detector has no names, or more than the data', async () => {
    const spec = fasterRcnn({
      backbone: mobileNetFpn('mobilenet_v3_small', { outChannels: 8, norm: 'batch' }),
      numClasses: 3,
      minSize: 64,
      boxHead: { kind: 'twoMlp', representationSize: 8 },
    });
    await using nameless = await Detector.create(spec, { device: 'cpu' });
    assert.equal(nameless.categories, undefined);
    await using knowing = await tinyDetector(['__background__', 'red', 'blue', 'green']);
    for (const [name, detector] of Object.entries({ nameless, knowing })) {
      const options = await tinyRun(folder, name, { detector, val: undefined });
      const trainer = await Trainer.create(options);
      await trainer.dispose();
    }
  });

  it('does not begin, nor go on, where everything is frozen', async () => {
    const frozen = { code: 'ERR_INVALID_ARGUMENT', message: /all parameters .* are frozen/ };
    const options = await tinyRun(folder, 'frozen', { val: undefined });
    const { detector } = options;
    await detector.freeze(['backbone', 'rpn', 'roi_heads']);
    await assert.rejects(Trainer.create(options), frozen);
    assert.ok(!readdirSync(folder).includes('frozen'));
    await detector.unfreeze('roi_heads');
    const trainer = await Trainer.create(options);
    await detector.freeze('roi_heads');
    await assert.rejects(trainer.run().next(), frozen);
    await detector.unfreeze('roi_heads');
    assert.equal((await trainer.run().next()).value?.step, 1);
    await trainer.dispose();
    await detector.dispose();
  });

  it('says which option does not fit', async () => {
    const options = await tinyRun(folder, 'never');
    const cases: readonly [object, string, RegExp][] = [
      [{ epoch: 3 }, 'ERR_OPTION_UNKNOWN', /"epoch".*Did you mean "epochs"/],
      [{ epochs: 0 }, 'ERR_OPTION_VALUE', /"epochs".*at least 1, got 0/],
      [{ ema: 1 }, 'ERR_OPTION_VALUE', /"ema"/],
      [{ schedule: { kind: 'step' } }, 'ERR_OPTION_VALUE', /"kind".*cosine/],
      [{ earlyStopping: { patience: 0 } }, 'ERR_OPTION_VALUE', /"patience"/],
      [{ amp: 'half' }, 'ERR_OPTION_VALUE', /"amp"/],
      [
        { optimizer: sgd({ lr: 1, groups: [{ prefixes: 'backbon' }] }) },
        'ERR_OPTION_VALUE',
        /backbon/,
      ],
    ];
    for (const [changes, code, message] of cases) {
      await assert.rejects(Trainer.create({ ...options, ...changes }), { code, message });
    }
    const data = [] as unknown as Dataset;
    const wrong: readonly [unknown, RegExp][] = [
      [undefined, /options must be an object/],
      [{}, /detector must be one of Detector\.create.*got undefined/],
      [{ ...options, detector: Promise.resolve(options.detector) }, /is an await missing/],
      [{ ...options, data }, /data must be a data set.*got a list/],
      [{ ...options, val: data }, /val must be a data set.*got a list/],
      [{ ...options, val: null }, /val must be a data set.*got null/],
      [{ ...options, val: { data, indices: [0] } }, /val\.data must be a data set/],
      [{ ...options, val: { data: options.data, indices: 0 } }, /"val\.indices".*a list/],
      [{ ...options, indices: 3 }, /"indices".*a list/],
      [{ ...options, out: undefined }, /"out" must be the path of a folder, got undefined/],
      [{ ...options, kinds: 'bbox' }, /"kinds".*a list/],
      [{ ...options, earlyStopping: null }, /earlyStopping: options must be an object/],
    ];
    for (const [given, message] of wrong) {
      await assert.rejects(Trainer.create(given as TrainerOptions), (error) => {
        assert.ok(error instanceof TorchdetError, String(error));
        assert.match(error.code, /^ERR_(INVALID_ARGUMENT|OPTION_VALUE)$/);
        assert.match(error.message, message);
        return true;
      });
    }
    const small = await tinyDetector(['__background__', 'red']);
    await assert.rejects(Trainer.create({ ...options, detector: small }), {
      code: 'ERR_OPTION_VALUE',
      message: /__background__, red, blue/,
    });
    await small.dispose();
    await options.detector.dispose();
    assert.ok(!readdirSync(folder).includes('never'));
  });
});
