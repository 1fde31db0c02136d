import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeImage, Detector, ops, Tensor, TorchdetError, writeSafetensors } from '../../lib';
import type { CreateOptions } from '../../lib';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { PHOTO, pixels, TemporaryFolder, tinyDetector, tinySpec } from './helpers';

async function snapshot(detector: Detector): Promise<Record<string, number>> {
  const state = await detector.stateDict();
  return Object.fromEntries(
    Object.entries(state).map(([name, tensor]) => [name, Number(tensor.data[0])]),
  );
}

describe('Detector', () => {
  it('finds the astronaut with the detector that ships with the package', async () => {
    await using detector = await Detector.default({ device: 'cpu' });
    const [result] = await detector.predict([await readFile(PHOTO)], { scoreThreshold: 0.5 });
    assert.ok(result);
    assert.deepEqual([result.width, result.height], [512, 512]);
    const best = result.at(0);
    assert.ok(best && best.score > 0.5, `best score ${best?.score}`);
    assert.equal(best.name, 'person');
    const [overlap = 0] = await ops.boxIou([...best.box], [14, 3, 452, 511]);
    assert.ok(overlap > 0.6, `box ${best.box.join()}`);
    assert.equal([...result].length, result.length);
    assert.ok([...result].every(({ score }) => score >= 0.5));
  });

  it('gives each image of a batch its own result, whatever its size and kind', async () => {
    await using detector = await Detector.default({ device: 'cpu' });
    const photo = await readFile(PHOTO);
    const raw = await decodeImage(photo);
    const plane = raw.width * raw.height;
    const chw = new Float32Array(3 * plane);
    for (let i = 0; i < plane; i++) {
      for (let c = 0; c < 3; c++) chw[c * plane + i] = (raw.data[3 * i + c] ?? 0) / 255;
    }
    const options = { scoreThreshold: 0.5, exact: true };
    const results = await detector.predict(
      [photo, pixels(40, 90), raw, Tensor.from(chw, [3, raw.height, raw.width])],
      options,
    );
    assert.deepEqual(
      results.map(({ width, height }) => [width, height]),
      [
        [512, 512],
        [40, 90],
        [512, 512],
        [512, 512],
      ],
    );
    // The same photo three times, as a file, as pixels and as floats.
    const first = results[0];
    assert.ok(first && first.length > 0);
    for (const index of [2, 3]) {
      const boxes = results[index]?.boxes;
      assert.equal(boxes?.length, first.boxes.length);
      first.boxes.forEach((side, i) => {
        assert.ok(Math.abs(side - (boxes[i] ?? NaN)) < 1e-2, `image ${index}, side ${i}`);
      });
    }
  });

  it('answers an empty batch with nothing', async () => {
    await using detector = await tinyDetector();
    assert.deepEqual(await detector.predict([]), []);
  });

  it('draws the same weights from the same seed, and others from another', async () => {
    const [a, b, c] = await Promise.all(
      [1, 1, 2].map((seed) => Detector.create(tinySpec(), { device: 'cpu', seed })),
    );
    assert.ok(a && b && c);
    assert.deepEqual(await snapshot(a), await snapshot(b));
    assert.notDeepEqual(await snapshot(a), await snapshot(c));
    await Promise.all([a.dispose(), b.dispose(), c.dispose()]);
  });

  it('saves an archive that loads as the same detector', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'tiny.pt');
    await using detector = await Detector.create(tinySpec(), {
      device: 'cpu',
      categories: ['__background__', 'cell', 'platelet'],
    });
    await detector.save(path);
    await using again = await Detector.load(path, { device: 'cpu' });
    assert.deepEqual(again.categories, ['__background__', 'cell', 'platelet']);
    assert.equal(again.name, detector.name);
    assert.deepEqual(await snapshot(again), await snapshot(detector));
    const image = pixels(120, 100);
    const [before] = await detector.predict([image], { exact: true });
    const [after] = await again.predict([image], { exact: true });
    assert.ok(before && before.length > 0);
    assert.deepEqual(after?.boxes, before.boxes);
    assert.deepEqual(after.scores, before.scores);
  });

  it('loads a state dict from tensors and from a file, and compiles the network anew', async () => {
    using folder = new TemporaryFolder();
    await using source = await Detector.create(tinySpec(), { device: 'cpu', seed: 5 });
    await using target = await tinyDetector();
    const image = pixels(100, 100);
    const [expected] = await source.predict([image]);
    await target.predict([image]);
    await target.loadStateDict(await source.stateDict());
    const [fromTensors] = await target.predict([image]);
    assert.deepEqual(fromTensors?.scores, expected?.scores);

    const path = join(folder.path, 'tiny.safetensors');
    const entries = Object.entries(await source.stateDict()).map(
      ([name, { data, shape, dtype }]) => [name, { data, shape: [...shape], dtype }] as const,
    );
    await writeFile(path, writeSafetensors(new Map(entries)));
    await using third = await Detector.create(tinySpec(), { device: 'cpu', weights: path });
    const [fromFile] = await third.predict([image]);
    assert.deepEqual(fromFile?.scores, expected?.scores);
  });

  it('changes nothing where a state dict does not fit, and says what is wrong', async () => {
    await using detector = await tinyDetector();
    const before = await snapshot(detector);
    const state = await detector.stateDict();
    const { 'roi_heads.box_predictor.cls_score.bias': bias, ...rest } = state;
    await assert.rejects(detector.loadStateDict(rest), {
      code: 'ERR_STATE_DICT',
      message: /Missing \(1\): roi_heads\.box_predictor\.cls_score\.bias/,
    });
    assert.ok(bias);
    const wrong = { ...state, 'rpn.head.cls_logits.bias': Tensor.from(new Float32Array(77)) };
    await assert.rejects(detector.loadStateDict(wrong), {
      code: 'ERR_STATE_DICT',
      message: /rpn\.head\.cls_logits\.bias.*77/s,
    });
    assert.deepEqual(await snapshot(detector), before);
  });

  it('keeps a fresh head for another number of classes, and says so', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'three.safetensors');
    await using source = await tinyDetector();
    const state = Object.entries(await source.stateDict());
    await writeFile(
      path,
      writeSafetensors(
        new Map(
          state.map(([name, t]) => [name, { data: t.data, shape: [...t.shape], dtype: t.dtype }]),
        ),
      ),
    );
    const messages: string[] = [];
    await using target = await Detector.create(tinySpec({ numClasses: 7 }), {
      device: 'cpu',
      weights: path,
      onMessage: (message) => messages.push(message),
    });
    assert.match(messages.join('\n'), /cls_score/);
    const trained = await target.stateDict();
    assert.deepEqual(trained['roi_heads.box_predictor.cls_score.bias']?.shape, [7]);
    const name = 'roi_heads.box_head.fc7.weight';
    assert.deepEqual(trained[name]?.data, (await source.stateDict())[name]?.data);
  });

  it('names what it does not understand', async () => {
    await using detector = await tinyDetector();
    const image = pixels(64, 64);
    const bad = (options: object) => detector.predict([image], options);
    await assert.rejects(bad({ scoreTreshold: 0.5 }), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /Did you mean "scoreThreshold"/,
    });
    await assert.rejects(bad({ scoreThreshold: 50 }), { code: 'ERR_OPTION_VALUE', message: /50/ });
    await assert.rejects(detector.predict(image as never), { code: 'ERR_INVALID_ARGUMENT' });
    await assert.rejects(detector.predict([image, 'photo.jpg' as never]), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /images\[1\]/,
    });
    await assert.rejects(Detector.create('fasterrcnn_resnet50', {}), {
      code: 'ERR_MODEL_UNKNOWN',
      message: /fasterrcnn_resnet50_fpn/,
    });
    await assert.rejects(Detector.create(tinySpec(), { device: 'gpu' }), { code: 'ERR_DEVICE' });
    await assert.rejects(Detector.create(tinySpec(), { device: 'cuda:99' }), {
      code: findLibtorch().flavour === 'cpu' ? 'ERR_LIBTORCH_CPU' : 'ERR_DEVICE',
    });
    const options: CreateOptions = { device: 'cpu', categories: ['only one'] };
    await assert.rejects(Detector.create(tinySpec(), options), { code: 'ERR_OPTION_VALUE' });
  });

  it('says what a file is that is no model', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'notes.pt');
    await assert.rejects(Detector.load(path), { code: 'ERR_FILE' });
    await writeFile(path, 'not a model');
    await assert.rejects(Detector.load(path), { code: 'ERR_ARCHIVE_FORMAT', message: /neither/ });
    await writeFile(path, writeSafetensors(new Map()));
    await assert.rejects(Detector.load(path), { code: 'ERR_ARCHIVE_FORMAT', message: /weights/ });
  });

  it('shows the caller in the stack of an error from the native side', async () => {
    await using detector = await tinyDetector();
    const nan = Tensor.from(new Float32Array(3 * 64 * 64).fill(NaN), [3, 64, 64]);
    const error: unknown = await detector
      .predict([nan], { exact: true })
      .catch((reason: unknown) => reason);
    assert.ok(error instanceof TorchdetError);
    assert.match(error.stack ?? '', /detector\.test/);
  });
});

describe('Detector: abort and dispose', () => {
  it('rejects at once with the reason of a signal that is aborted already', async () => {
    await using detector = await tinyDetector();
    const reason = new Error('no longer needed');
    const call = detector.predict([pixels(64, 64)], { signal: AbortSignal.abort(reason) });
    await assert.rejects(call, (error) => error === reason);
  });

  it('drops queued work and stops running work when aborted', async () => {
    await using detector = await tinyDetector();
    const image = pixels(600, 400);
    const running = new AbortController();
    const queued = new AbortController();
    const calls = [
      detector.predict(
        Array.from({ length: 8 }, () => image),
        { signal: running.signal },
      ),
      detector.predict([image], { signal: queued.signal }),
      detector.predict([image]),
    ];
    const settled = Promise.allSettled(calls);
    setImmediate(() => {
      queued.abort(new Error('queued'));
      running.abort(new Error('running'));
    });
    const [first, second, third] = await settled;
    assert.equal(first?.status === 'rejected' && (first.reason as Error).message, 'running');
    assert.equal(second?.status === 'rejected' && (second.reason as Error).message, 'queued');
    assert.equal(third?.status, 'fulfilled');
  });

  it('lets work under way finish before dispose, and rejects later calls', async () => {
    const detector = await tinyDetector();
    const call = detector.predict([pixels(64, 64)]);
    await detector.dispose();
    await detector.dispose();
    assert.equal((await call).length, 1);
    const disposed = { code: 'ERR_DISPOSED' };
    await assert.rejects(detector.predict([pixels(64, 64)]), disposed);
    await assert.rejects(detector.stateDict(), disposed);
    await assert.rejects(detector.save('never.pt'), disposed);
  });
});
