import assert from 'node:assert/strict';
import { runScript } from './helpers';

const PIXELS = `const pixels = (w, h) => ({ data: new Uint8Array(w * h * 3).map((_, i) => i * 7), width: w, height: h, channels: 3 });`;
const OPEN = `const open = () => torchdet.Detector.default({ device: 'cpu' });`;

/** A worker that runs `body` with the library, the pixels and the detector at hand. */
const WORKER = `
  const { Worker } = require('node:worker_threads');
  const start = (body) => new Worker(
    'const torchdet = require(' + JSON.stringify(require.resolve('./dist')) + ');' +
    ${JSON.stringify(PIXELS + OPEN)} + 'const { parentPort } = require("node:worker_threads");' +
    '(async () => {' + body + '})();', { eval: true });
`;

describe('lifecycle', function () {
  this.timeout(120_000);

  it('ends the process by itself once work is done', async () => {
    const { code, signal, stdout, stderr } = await runScript(`${PIXELS}${OPEN}
      (async () => { const d = await open(); console.log((await d.predict([pixels(64, 64)])).length); })();
    `);
    assert.deepEqual([code, signal, stdout.trim()], [0, null, '1'], stderr);
  });

  it('keeps the process alive for a promise that nobody awaits', async () => {
    const { code, stdout } = await runScript(`${PIXELS}${OPEN}
      open().then((d) => { void d.predict([pixels(320, 320)]).then(() => console.log('settled')); });
    `);
    assert.deepEqual([code, stdout.trim()], [0, 'settled']);
  });

  it('exits cleanly with work queued and running', async () => {
    const { code, signal, stderr } = await runScript(`${PIXELS}${OPEN}
      open().then((d) => {
        for (let i = 0; i < 20; i++) void d.predict([pixels(640, 480)]);
        setTimeout(() => process.exit(7), 20);
      });
    `);
    assert.deepEqual([code, signal], [7, null], stderr);
  });

  it('exits with an uncaught error while work is running', async () => {
    const { code, signal, stderr } = await runScript(`${PIXELS}${OPEN}
      open().then((d) => {
        for (let i = 0; i < 5; i++) void d.predict([pixels(640, 480)]);
        setTimeout(() => { throw new Error('on purpose'); }, 10);
      });
    `);
    assert.deepEqual([code, signal], [1, null], stderr);
    assert.match(stderr, /on purpose/);
  });

  it('works in several workers at once and in the main thread', async () => {
    const { code, stdout, stderr } = await runScript(`${PIXELS}${OPEN}${WORKER}
      const body = 'const d = await open(); const [r] = await d.predict([pixels(100, 80)], { exact: true }); parentPort.postMessage([...r.scores]);';
      const answer = (worker) => new Promise((resolve, reject) => { worker.once('message', resolve); worker.once('error', reject); });
      (async () => {
        const d = await open();
        const [own] = await d.predict([pixels(100, 80)], { exact: true });
        const others = await Promise.all([answer(start(body)), answer(start(body))]);
        console.log(others.every((scores) => JSON.stringify(scores) === JSON.stringify([...own.scores])));
      })();
    `);
    assert.deepEqual([code, stdout.trim()], [0, 'true'], stderr);
  });

  it('survives a worker that is terminated in the middle of its work', async () => {
    const { code, signal, stdout, stderr } = await runScript(`${PIXELS}${OPEN}${WORKER}
      const body = 'const d = await open(); for (let i = 0; i < 50; i++) void d.predict([pixels(640, 480)]); parentPort.postMessage("busy");';
      (async () => {
        for (let i = 0; i < 3; i++) {
          const worker = start(body);
          await new Promise((resolve) => worker.once('message', resolve));
          await worker.terminate();
        }
        const d = await open();
        console.log((await d.predict([pixels(64, 64)])).length);
      })();
    `);
    assert.deepEqual([code, signal, stdout.trim()], [0, null, '1'], stderr);
  });

  it('gives memory back when detectors are disposed', async () => {
    const { code, stdout, stderr } = await runScript(`${PIXELS}${OPEN}
      const once = async () => { const d = await open(); await d.predict([pixels(200, 200)]); await d.dispose(); };
      (async () => {
        for (let i = 0; i < 3; i++) await once();
        gc();
        const before = process.memoryUsage().rss;
        for (let i = 0; i < 8; i++) { await once(); gc(); }
        console.log((process.memoryUsage().rss - before) / 2 ** 20);
      })();
    `);
    assert.equal(code, 0, stderr);
    // One detector holds some 40 MB in its two forms; eight of them leaked would be 320.
    assert.ok(Number(stdout) < 100, `resident memory grew by ${stdout.trim()} MB`);
  });

  it('gives the memory of past calls back when it is disposed, and keeps it until then', async () => {
    const { code, stdout, stderr } = await runScript(`${PIXELS}
      const resident = () => process.memoryUsage().rss / 2 ** 20;
      (async () => {
        const options = { device: 'cpu', minSize: 480, maxSize: 640 };
        const d = await torchdet.Detector.create('fasterrcnn_resnet50_fpn', options);
        await d.predict([pixels(640, 480)]);
        await new Promise((resolve) => setTimeout(resolve, 1000));
        const working = resident();
        await d.dispose();
        console.log(JSON.stringify({ working, after: resident() }));
      })();
    `);
    assert.equal(code, 0, stderr);
    const { working, after } = JSON.parse(stdout) as { working: number; after: number };
    // Its weights, in two forms, are some 330 MB; what predict() works in is more than 200.
    assert.ok(after < working - 450, `${working} MB before, ${after} MB after`);
  });
});

describe('event loop', function () {
  this.timeout(180_000);

  it('stays free while a ResNet-50 detector runs', async function () {
    const { code, stdout, stderr } = await runScript(
      `${PIXELS}
      const { monitorEventLoopDelay } = require('node:perf_hooks');
      (async () => {
        const d = await torchdet.Detector.create('fasterrcnn_resnet50_fpn', { device: 'cpu', minSize: 400, maxSize: 640 });
        const image = pixels(640, 480);
        await d.predict([image]);
        const delay = monitorEventLoopDelay({ resolution: 5 });
        delay.enable();
        const start = Date.now();
        let calls = 0;
        while (Date.now() - start < 4000) { await d.predict([image]); calls++; }
        delay.disable();
        // The monitor measures the interval between its ticks: its own 5 ms are no delay.
        console.log(JSON.stringify({ p99: delay.percentile(99) / 1e6 - 5, calls }));
      })();`,
      { timeout: 150_000 },
    );
    assert.equal(code, 0, stderr);
    const { p99, calls } = JSON.parse(stdout) as { p99: number; calls: number };
    assert.ok(calls >= 1);
    assert.ok(p99 < 20, `event loop delay p99 ${p99.toFixed(1)} ms over ${calls} calls`);
  });
});
