/** A process of a run of several: node -r tsx/cjs group-worker.ts <what> <folder>, with RANK and the like in the environment. */
import { appendFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  evaluateDetector,
  ProcessGroup,
  sgd,
  TorchdetError,
  Trainer,
  writeSafetensors,
} from '../../lib';
import type { Detector, JoinOptions, Optimizer, Tensor } from '../../lib';
import { makeDetector, makeSamples, type ModelName, squaresRun } from './group-models';
import { openSquares } from './trainer-helpers';

const [what = '', folder = ''] = process.argv.slice(2);

/** The tests read it; appended at once, it outlives a kill. */
function tell(group: ProcessGroup, said: object): void {
  appendFileSync(join(folder, `${group.rank}.jsonl`), `${JSON.stringify(said)}\n`);
}

function keep(path: string, state: Readonly<Record<string, Tensor>>): void {
  writeFileSync(path, writeSafetensors(Object.entries(state)));
}

function isVictim(group: ProcessGroup): boolean {
  return String(group.rank) === process.env.VICTIM;
}

/** Weights of its own at first, then rank 0's. */
async function prepared(group: ProcessGroup, model: ModelName) {
  const detector = await makeDetector(model, 10 + group.rank);
  await detector.synchronize(group);
  return { detector, optimizer: await detector.optimizer(sgd({ lr: 0.01, momentum: 0.9 })) };
}

function step(
  group: ProcessGroup,
  { detector, optimizer }: { detector: Detector; optimizer: Optimizer },
) {
  const samples = makeSamples(2 * group.worldSize).slice(2 * group.rank, 2 * group.rank + 2);
  return detector.trainStep(samples, { optimizer, seed: 5 + group.rank, group });
}

const scenarios: Readonly<Record<string, (group: ProcessGroup) => Promise<void>>> = {
  async train(group) {
    for (const model of ['retinanet', 'faster-rcnn'] as const) {
      const parts = await prepared(group, model);
      const first = await step(group, parts);
      const path = (kind: string) => join(folder, `${model}.${kind}.${group.rank}.safetensors`);
      keep(path('gradients'), await parts.optimizer.stateDict());
      await step(group, parts);
      keep(path('weights'), await parts.detector.stateDict());
      tell(group, { model, total: first.total, gradNorm: first.gradNorm });
    }
    tell(group, {
      gathered: await group.allGather({ rank: group.rank, list: 'x'.repeat(group.rank * 3) }),
      broadcast: await group.broadcast(group.isFirst ? [1, 2] : 'not this'),
      sum: await group.allReduce([group.rank + 1, 10]),
      mean: await group.allReduce([group.rank], 'mean'),
      max: await group.allReduce([group.rank, -group.rank], 'max'),
    });
    await group.leave();
  },

  async killed(group) {
    const parts = await prepared(group, 'retinanet');
    await step(group, parts);
    if (isVictim(group)) process.kill(process.pid, 'SIGKILL');
    await step(group, parts);
  },

  async 'bad-target'(group) {
    const { detector, optimizer } = await prepared(group, 'retinanet');
    const samples = makeSamples(1).map((sample) =>
      group.rank === 1 ? { ...sample, boxes: [[5, 5, 5, 9]], labels: [1] } : sample,
    );
    await detector.trainStep(samples, { optimizer, group });
  },

  async 'other-model'(group) {
    const detector = await makeDetector(group.rank === 0 ? 'retinanet' : 'faster-rcnn', 0);
    await detector.synchronize(group);
  },

  async frozen(group) {
    const parts = await prepared(group, 'retinanet');
    if (group.rank === 1) await parts.detector.freeze('head');
    await step(group, parts);
  },

  async silent(group) {
    if (group.rank === 1) await new Promise((resolve) => setTimeout(resolve, 3000));
    await group.barrier();
  },

  /** A run of the trainer over the data set in `folder`, and an evaluation shared and alone. */
  async run(group) {
    const { data, val } = await openSquares(folder);
    const detector = await makeDetector('retinanet', group.rank);
    const options = squaresRun(folder, 'two', { detector, data, val, group });
    const resume = process.env.RESUME !== undefined;
    const trainer = await Trainer.create({ ...options, resume, checkpointMinutes: 0 });
    const steps: number[] = [];
    const figures: unknown[] = [];
    for await (const { step, total, evaluation } of trainer.run()) {
      steps.push(total);
      if (isVictim(group) && step === 2) process.kill(process.pid, 'SIGKILL');
      if (evaluation) figures.push(evaluation.figures);
    }
    await trainer.dispose();
    await detector.synchronize(group);
    const shared = await evaluateDetector(detector, val, { group });
    const alone = await evaluateDetector(detector, val);
    const evaluations = [shared, alone].map(({ evaluation }) => evaluation.bbox?.figures);
    tell(group, { steps, figures, best: trainer.best, evaluations });
    await group.leave();
  },

  /** Only the second process is told to stop. */
  async stopped(group) {
    const { data } = await openSquares(folder);
    const detector = await makeDetector('retinanet', 0);
    const trainer = await Trainer.create(
      squaresRun(folder, 'stopped', { detector, data, val: undefined, group }),
    );
    const controller = new AbortController();
    const ended = (async () => {
      for await (const { step } of trainer.run({ signal: controller.signal })) {
        if (step === 1 && group.rank === 1) controller.abort();
      }
    })();
    const message = await ended.then(String, (error: unknown) => (error as Error).message);
    tell(group, { message, step: trainer.step });
    await trainer.dispose();
  },

  /** Only the second process was told to stop, and before it began. */
  async 'stopped-before'(group) {
    const { data } = await openSquares(folder);
    const detector = await makeDetector('retinanet', 0);
    const trainer = await Trainer.create(
      squaresRun(folder, 'stopped-before', { detector, data, val: undefined, group }),
    );
    const signal = group.rank === 1 ? AbortSignal.abort() : undefined;
    const begun = trainer.run({ signal }).next();
    const message = await begun.then(String, (error: unknown) => (error as Error).message);
    tell(group, { message, step: trainer.step });
    await trainer.dispose();
  },

  async meet(group) {
    await group.leave();
  },
};

async function main(): Promise<void> {
  const options = JSON.parse(process.env.JOIN_OPTIONS ?? '{}') as JoinOptions;
  const group = await ProcessGroup.join({ device: 'cpu', ...options });
  tell(group, { joined: group.worldSize });
  await scenarios[what]?.(group);
}

main().catch((error: unknown) => {
  const { code, message } =
    error instanceof TorchdetError ? error : { code: '', message: String(error) };
  process.stderr.write(`${JSON.stringify({ code, message })}\n`);
  process.exitCode = 1;
});
