// A calibration's life: with the weights it was measured on, into the archive and out, and what is refused.
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { Detector, Tensor } from '../../lib';
import { checkPrecision } from '../../lib/detection/precision';
import { TemporaryFolder } from '../detector/helpers';
import { cpuSupport, IMAGES, openDetector, scoresOf } from './helpers';

describe('calibration', () => {
  beforeEach(function () {
    if (!cpuSupport().int8) this.skip();
  });

  it('is saved with the archive', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'calibrated.pt');
    await using detector = await openDetector();
    await detector.calibrate(IMAGES);
    await detector.setPrecision('int8');
    const scores = await scoresOf(detector);
    await detector.save(path);
    await using copy = await Detector.load(path, { device: 'cpu', precision: 'int8' });
    assert.equal(copy.precision, 'int8');
    assert.deepEqual(copy.calibration, detector.calibration);
    assert.deepEqual(await scoresOf(copy), scores);
    await using plain = await Detector.load(path, { device: 'cpu' });
    assert.equal(plain.precision, 'float32');
    assert.deepEqual(plain.calibration, detector.calibration);
  });

  it('goes through JSON to a detector of the same weights, and to no other', async () => {
    await using detector = await openDetector();
    const text = JSON.stringify(await detector.calibrate(IMAGES));
    await detector.setPrecision('int8');
    const calibration = JSON.parse(text) as NonNullable<Detector['calibration']>;
    await using same = await openDetector();
    await same.setPrecision('int8', calibration);
    assert.deepEqual(await scoresOf(same), await scoresOf(detector));
    await using other = await openDetector(1);
    await assert.rejects(other.setPrecision('int8', calibration), {
      code: 'ERR_CALIBRATION',
      message: /other weights/,
    });
    assert.equal(other.precision, 'float32');
    await assert.rejects(other.setPrecision('int8'), {
      code: 'ERR_CALIBRATION',
      message: /calibrate/,
    });
    const wrong = { ...calibration, parts: { ...calibration.parts, backbone: [0, 1] } };
    await same.setPrecision('int8', wrong);
    await assert.rejects(same.predict(IMAGES), { code: 'ERR_CALIBRATION', message: /ranges/ });
  });

  it('ends where the weights change, until it is made again', async () => {
    using folder = new TemporaryFolder();
    const path = join(folder.path, 'changed.pt');
    await using detector = await openDetector();
    await detector.calibrate(IMAGES);
    await detector.setPrecision('int8');
    await scoresOf(detector);
    const state = await detector.stateDict();
    const bias = state['backbone.stem.bias'];
    assert.ok(bias);
    const values = Float32Array.from(bias.data as Float32Array, (value) => value + 0.5);
    await detector.loadStateDict({
      ...state,
      'backbone.stem.bias': Tensor.from(values, bias.shape),
    });
    await assert.rejects(detector.predict(IMAGES), {
      code: 'ERR_CALIBRATION',
      message: /weights have changed.*calibrate.*float32/s,
    });
    assert.ok((await scoresOf(detector, true)).length > 0);
    await detector.save(path);
    await using copy = await Detector.load(path, { device: 'cpu' });
    assert.equal(copy.calibration, undefined);
    await detector.calibrate(IMAGES);
    assert.equal(detector.precision, 'int8');
    assert.ok((await scoresOf(detector)).length > 0);
  });

  it('needs images, known options, and time', async () => {
    await using detector = await openDetector();
    await assert.rejects(detector.calibrate([]), {
      code: 'ERR_INVALID_ARGUMENT',
      message: /no images/,
    });
    await assert.rejects(detector.calibrate(IMAGES, { methods: 'minMax' } as object), {
      code: 'ERR_OPTION_UNKNOWN',
      message: /"method"/,
    });
    await assert.rejects(detector.calibrate(IMAGES, { method: 'max' as 'minMax' }), {
      code: 'ERR_OPTION_VALUE',
      message: /meanSquare/,
    });
    const controller = new AbortController();
    const ended = detector.calibrate(IMAGES, {
      signal: controller.signal,
      onProgress: () => {
        controller.abort(new Error('enough'));
      },
    });
    await assert.rejects(ended, { message: 'enough' });
    assert.equal(detector.calibration, undefined);
    await detector.calibrate(IMAGES);
  });

  it('measures for one call after the other', async () => {
    await using detector = await openDetector();
    const [first, last] = [IMAGES.slice(0, 1), IMAGES.slice(2)];
    const apart = [await detector.calibrate(first), await detector.calibrate(last)];
    assert.notDeepEqual(apart[0], apart[1]);
    const together = [detector.calibrate(first), detector.calibrate(last)];
    assert.deepEqual(await Promise.all(together), apart);
  });

  it('does not wait for an image that never comes once it is aborted', async () => {
    const detector = await openDetector();
    const controller = new AbortController();
    async function* images() {
      yield* IMAGES.slice(0, 1);
      await new Promise(() => undefined);
    }
    const onProgress = () => {
      setImmediate(() => {
        controller.abort(new Error('enough'));
      });
    };
    const ended = detector.calibrate(images(), { signal: controller.signal, onProgress });
    await assert.rejects(ended, { message: 'enough' });
    await detector.dispose();
  });

  it('lets go of images where one is bad', async () => {
    await using detector = await openDetector();
    let open = true;
    function* images() {
      try {
        yield Buffer.from('no image');
      } finally {
        open = false;
      }
    }
    await assert.rejects(detector.calibrate(images()), { code: 'ERR_IMAGE_FORMAT' });
    assert.equal(open, false);
  });
});

describe('checkPrecision', () => {
  const able = { bfloat16: true, int8: true };

  it('names what is missing and what there is instead', () => {
    const check = (...args: Parameters<typeof checkPrecision>) => {
      checkPrecision(...args);
    };
    check('load', 'int8', 'cpu', able);
    check('load', 'bfloat16', 'cuda:0', { bfloat16: false, int8: false });
    check('load', 'float16', 'cuda:0', { bfloat16: false, int8: false });
    assert.throws(
      () => {
        check('load', 'float16', 'cpu', able);
      },
      {
        code: 'ERR_PRECISION',
        message: /float16 runs on a GPU.*bfloat16/,
      },
    );
    assert.throws(
      () => {
        check('load', 'int8', 'cpu', { bfloat16: true, int8: false });
      },
      {
        code: 'ERR_PRECISION',
        message: /load: int8 needs AVX512-VNNI.*'bfloat16'/,
      },
    );
    assert.throws(
      () => {
        check('load', 'bfloat16', 'cpu', { bfloat16: false, int8: false });
      },
      {
        code: 'ERR_PRECISION',
        message: /bfloat16 needs AVX512.*'float32'/,
      },
    );
    assert.throws(
      () => {
        check('load', 'int8', 'cuda:1', able);
      },
      {
        code: 'ERR_PRECISION',
        message: /cuda:1.*bfloat16/,
      },
    );
    assert.throws(
      () => {
        check('load', 'int4' as 'int8', 'cpu', able);
      },
      {
        code: 'ERR_OPTION_VALUE',
        message: /"int4"/,
      },
    );
  });
});
