import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { ProcessGroup, setThreads, sgd, Trainer } from '../../lib';
import type { Detector, Optimizer, Tensor } from '../../lib';
import { readSafetensors } from '../../lib/checkpoints/safetensors';
import { placeInEnvironment } from '../../lib/distributed/environment';
import { makeDetector, makeSamples, type ModelName, squaresRun } from './group-models';
import { writeSquares } from './made-data';
import { openSquares } from './trainer-helpers';
import { runGroup } from './group-processes';

type Numbers = ReadonlyMap<string, Float32Array>;

function floatsOf(state: Readonly<Record<string, Tensor>>): Numbers {
  const floats = Object.entries(state).filter(([, { dtype }]) => dtype === 'float32');
  return new Map(floats.map(([name, { data }]) => [name, Float32Array.from(data, Number)]));
}

function floatsIn(path: string): Numbers {
  const { tensors } = readSafetensors(path);
  const floats = [...tensors].filter(([, { dtype }]) => dtype === 'float32');
  // Bytes, wherever they begin.
  return new Map(
    floats.map(([name, { data }]) => [name, new Float32Array(Uint8Array.from(data).buffer)]),
  );
}

/** Norm of all differences by the norm of all that is expected. */
function relativeDifference(actual: Numbers, expected: Numbers): number {
  assert.deepEqual([...actual.keys()].sort(), [...expected.keys()].sort());
  let [difference, size] = [0, 0];
  for (const [name, values] of expected) {
    const others = actual.get(name) ?? assert.fail(name);
    assert.equal(others.length, values.length, name);
    values.forEach((value, i) => {
      difference += ((others[i] ?? NaN) - value) ** 2;
      size += value ** 2;
    });
  }
  return Math.sqrt(difference / size);
}

function changeOf(after: Numbers, before: Numbers): Numbers {
  return new Map(
    [...after].map(([name, values]) => {
      const old = before.get(name) ?? assert.fail(name);
      return [name, values.map((value, i) => value - (old[i] ?? NaN))];
    }),
  );
}

/** RetinaNet's losses are means over images: one step over the joint batch is the mean of two over its halves. */
async function jointStep(detector: Detector, optimizer: Optimizer): Promise<void> {
  await detector.trainStep(makeSamples(4), { optimizer });
}

/** What Faster R-CNN's losses are divided by depends on what is drawn in the whole batch: its halves by themselves, then. */
async function halvesStep(detector: Detector, optimizer: Optimizer): Promise<void> {
  const halves = { optimizer, lossScale: 0.5 };
  await detector.trainStep(makeSamples(4).slice(0, 2), { ...halves, seed: 5, accumulate: true });
  await detector.trainStep(makeSamples(4).slice(2), { ...halves, seed: 6 });
}

describe('training in several processes', function () {
  // Each test starts processes, which share the machine with whatever else runs.
  this.timeout(120_000);
  let folder = '';

  // As each of two processes has on two cores; threads of small work wait for one another on a busy machine.
  before(() => {
    setThreads(1);
  });
  after(() => {
    setThreads(availableParallelism());
  });
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchdet-group-'));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  describe('environment', () => {
    const full = { RANK: '1', WORLD_SIZE: '2', MASTER_ADDR: 'localhost', MASTER_PORT: '29500' };

    it('names the place', () => {
      assert.deepEqual(placeInEnvironment({ ...full, LOCAL_RANK: '0', LOCAL_WORLD_SIZE: '1' }), {
        rank: 1,
        worldSize: 2,
        localRank: 0,
        localWorldSize: 1,
        masterAddress: 'localhost',
        masterPort: 29500,
        launcherServes: false,
        attempt: '0',
      });
      assert.equal(placeInEnvironment(full)?.localRank, 1);
    });

    it('may be that of a process alone', () => {
      assert.equal(placeInEnvironment({}), undefined);
      assert.equal(placeInEnvironment({ RANK: '0', WORLD_SIZE: '1' }), undefined);
    });

    const wrong: readonly (readonly [object, RegExp])[] = [
      [{ RANK: 'one' }, /RANK must be an integer from 0 to 1, got "one"/],
      [{ RANK: '2' }, /RANK must be an integer from 0 to 1, got "2"/],
      [{ RANK: undefined }, /RANK must be an integer from 0 to 1, it is not set/],
      [{ WORLD_SIZE: undefined }, /WORLD_SIZE must be .*it is not set/],
      [{ WORLD_SIZE: '0' }, /WORLD_SIZE must be .*got "0"/],
      [{ MASTER_ADDR: undefined }, /MASTER_ADDR must be rank 0's address/],
      [{ MASTER_PORT: '99999' }, /MASTER_PORT must be an integer from 1 to 65535, got "99999"/],
      [{ LOCAL_RANK: '2' }, /LOCAL_RANK must be an integer from 0 to 1, got "2"/],
    ];
    for (const [change, message] of wrong) {
      it(`is refused: ${JSON.stringify(change, (_, value: unknown) => value ?? 'not set')}`, () => {
        assert.throws(() => placeInEnvironment({ ...full, ...change }), {
          code: 'ERR_OPTION_VALUE',
          message,
        });
      });
    }
  });

  describe('alone', () => {
    it('a group of one does nothing, and the same program runs', async () => {
      const group = await ProcessGroup.join({ device: 'cpu' });
      assert.deepEqual([group.rank, group.worldSize, group.isFirst], [0, 1, true]);
      assert.deepEqual(await group.allGather('a'), ['a']);
      assert.deepEqual(await group.allReduce([1, 2], 'mean'), [1, 2]);
      await group.barrier();
      const detector = await makeDetector('retinanet', 0);
      const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
      await detector.synchronize(group);
      const { stepped } = await detector.trainStep(makeSamples(1), { optimizer, group });
      assert.ok(stepped);
      await detector.dispose();
      await group.leave();
    });

    it('refuses what is no option or group', async () => {
      await assert.rejects(ProcessGroup.join({ timeOut: 3 } as never), {
        code: 'ERR_OPTION_UNKNOWN',
        message: /Did you mean "timeout"/,
      });
      await assert.rejects(ProcessGroup.join({ device: 'cpu', backend: 'mpi' as never }), {
        code: 'ERR_OPTION_VALUE',
        message: /option "backend" must be one of "auto", "gloo", "nccl"/,
      });
      await assert.rejects(ProcessGroup.join({ device: 'cpu', backend: 'nccl' }), {
        code: 'ERR_OPTION_VALUE',
        message: /must be "gloo" on the CPU, got "nccl"/,
      });
      const detector = await makeDetector('retinanet', 0);
      const optimizer = await detector.optimizer(sgd({ lr: 0.01 }));
      const options = { optimizer, group: 'all' as never };
      await assert.rejects(detector.trainStep(makeSamples(1), options), /option "group" must be/);
      await detector.dispose();
    });
  });

  describe('two processes', () => {
    it('give the gradients and weights of one', async () => {
      const ended = await runGroup('train', folder);
      assert.deepEqual(
        ended.map(({ code, stderr }) => [code, stderr]),
        [
          [0, ''],
          [0, ''],
        ],
      );
      const path = (model: ModelName, what: string, rank: number) =>
        join(folder, `${model}.${what}.${rank}.safetensors`);
      const steps = { retinanet: jointStep, 'faster-rcnn': halvesStep };
      for (const model of ['retinanet', 'faster-rcnn'] as const) {
        for (const what of ['gradients', 'weights']) {
          const [first, second] = [0, 1].map((rank) => readFileSync(path(model, what, rank)));
          assert.ok(first?.equals(second ?? Buffer.of()), `${what} differ between the processes`);
        }
        const detector = await makeDetector(model, 10);
        const optimizer = await detector.optimizer(sgd({ lr: 0.01, momentum: 0.9 }));
        const before = floatsOf(await detector.stateDict());
        await steps[model](detector, optimizer);
        const gradients = floatsOf(await optimizer.stateDict());
        await steps[model](detector, optimizer);
        const after = floatsOf(await detector.stateDict());
        const differences = [
          relativeDifference(floatsIn(path(model, 'gradients', 0)), gradients),
          relativeDifference(
            changeOf(floatsIn(path(model, 'weights', 0)), before),
            changeOf(after, before),
          ),
        ];
        for (const difference of differences) {
          assert.ok(difference < 1e-6, `${model}: ${differences.join(', ')}`);
        }
        await detector.dispose();
      }
      const [, , , values] = ended[1]?.told ?? [];
      assert.deepEqual(values, {
        gathered: [
          { rank: 0, list: '' },
          { rank: 1, list: 'xxx' },
        ],
        broadcast: [1, 2],
        sum: [3, 20],
        mean: [0.5],
        max: [1, 0],
      });
    });

    // Rank 0 keeps what the processes met at.
    for (const victim of [0, 1]) {
      it(`hear at once that rank ${victim} was killed`, async () => {
        const env = { VICTIM: String(victim) };
        const ended = await runGroup('killed', folder, [0, 1, 2], env);
        const killed = ended[victim] ?? assert.fail('no victim');
        assert.equal(killed.signal, 'SIGKILL');
        for (const { code, error, stderr, at } of ended.filter((one) => one !== killed)) {
          assert.equal(code, 1);
          assert.equal(error?.code, 'ERR_PEER_LOST');
          assert.match(error.message, /rank \d of 3 cannot go on: .*(ended|lost its connection)/);
          assert.equal(stderr.trim().split('\n').length, 1, stderr);
          const seconds = (at - killed.at) / 1000;
          assert.ok(seconds < 5, `it took ${seconds} seconds`);
        }
      });
    }

    it('hear why one gave up', async () => {
      const [first, second] = await runGroup('bad-target', folder);
      assert.equal(second?.error?.code, 'ERR_TARGET');
      assert.equal(first?.error?.code, 'ERR_PEER_LOST');
      assert.ok(first.error.message.includes(`rank 1 gave up: ${second.error.message}`));
    });

    it('do not wait for ever for one that is silent', async () => {
      const options = { JOIN_OPTIONS: '{"timeout":1}' };
      const [first, second] = await runGroup('silent', folder, [0, 1], options);
      assert.equal(first?.error?.code, 'ERR_PEER_LOST');
      assert.match(first.error.message, /Timed out waiting 1000ms/);
      assert.equal(second?.error?.code, 'ERR_PEER_LOST');
    });

    it('make a run of the trainer, which is that of one', async () => {
      await writeSquares(folder, { train: 8, val: 5 });
      const [first, second] = await runGroup('run', folder);
      assert.deepEqual([first?.error, second?.error], [undefined, undefined]);
      const { data, val } = await openSquares(folder);
      const detector = await makeDetector('retinanet', 0);
      const trainer = await Trainer.create(squaresRun(folder, 'one', { detector, data, val }));
      const totals: number[] = [];
      for await (const { total } of trainer.run()) totals.push(total);
      await trainer.dispose();
      await detector.dispose();

      const [, told] = first?.told ?? [];
      assert.deepEqual(told, second?.told[1]);
      const [shared, alone] = told?.evaluations as object[];
      assert.deepEqual(shared, alone);
      const steps = told?.steps as number[];
      assert.equal(steps.length, 4);
      steps.forEach((total, i) => {
        const wanted = totals[i] ?? NaN;
        assert.ok(Math.abs(total / wanted - 1) < 1e-6, `step ${i}: ${total}, alone ${wanted}`);
      });
      assert.deepEqual(readdirSync(join(folder, 'two')), readdirSync(join(folder, 'one')));
      const lines = readFileSync(join(folder, 'two', 'metrics.jsonl'), 'utf8')
        .trim()
        .split('\n');
      assert.equal(lines.length, 6);
    });

    it('leave a checkpoint, where one is lost, that two others go on from', async () => {
      await writeSquares(folder, { train: 8, val: 2 });
      const ended = await runGroup('run', folder, [0, 1], { VICTIM: '1' });
      assert.equal(ended[0]?.error?.code, 'ERR_PEER_LOST');
      const [resumed] = await runGroup('run', folder, [0, 1], { RESUME: '' });
      assert.equal(resumed?.error, undefined);
      const whole = join(folder, 'whole');
      await writeSquares(whole, { train: 8, val: 2 });
      const [uninterrupted] = await runGroup('run', whole);
      const { steps } = resumed?.told.at(-1) ?? {};
      assert.deepEqual(steps, (uninterrupted?.told[1]?.steps as number[]).slice(2));
    });

    it('stop after the same step, with a checkpoint, where one is told to', async () => {
      await writeSquares(folder, { train: 16, val: 1 });
      const told = (await runGroup('stopped', folder)).map(({ told: [, line] }) => line);
      assert.deepEqual(told, [
        { message: 'Another process of the run was told to stop.', step: 2 },
        { message: 'This operation was aborted', step: 2 },
      ]);
      assert.ok(existsSync(join(folder, 'stopped', 'last.state.safetensors')));
    });

    it('make no step where one was told to stop before', async () => {
      await writeSquares(folder, { train: 16, val: 1 });
      const told = (await runGroup('stopped-before', folder)).map(({ told: [, line] }) => line);
      assert.deepEqual(told, [
        { message: 'Another process of the run was told to stop.', step: 0 },
        { message: 'This operation was aborted', step: 0 },
      ]);
    });

    it('must have the same model', async () => {
      for (const { error } of await runGroup('other-model', folder)) {
        assert.equal(error?.code, 'ERR_PROCESS_GROUP');
        assert.match(error.message, /those of rank 1 are not those of rank 0/);
      }
    });

    it('must train the same parameters', async () => {
      for (const { error } of await runGroup('frozen', folder)) {
        assert.equal(error?.code, 'ERR_PROCESS_GROUP');
        assert.match(error.message, /must train the same parameters/);
      }
    });
  });

  describe('processes that do not come together', () => {
    const soon = { JOIN_OPTIONS: '{"connectTimeout":1.5}' };

    it('are named', async () => {
      const [only] = await runGroup('meet', folder, [0], { ...soon, WORLD_SIZE: '3' });
      assert.equal(only?.error?.code, 'ERR_PROCESS_GROUP');
      assert.match(only.error.message, /not all of the 3 processes came .*missing: rank 1, 2$/);
    });

    it('have nobody to come to', async () => {
      const [only] = await runGroup('meet', folder, [1], { ...soon, WORLD_SIZE: '2' });
      assert.equal(only?.error?.code, 'ERR_PROCESS_GROUP');
      assert.match(only.error.message, /Nobody answers at .*127\.0\.0\.1:\d+ after 1\.5 seconds/);
    });

    it('have one rank twice', async () => {
      const ended = await runGroup('meet', folder, [0, 1, 1], soon);
      const messages = ended.map(({ error }) => error?.message ?? '');
      assert.ok(messages.some((message) => message.includes('has RANK 1 already')));
      assert.ok(messages.every((message) => message !== ''));
    });
  });
});
