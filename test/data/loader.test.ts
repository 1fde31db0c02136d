import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { decodeImage } from '../../lib/images';
import type { Dataset } from '../../lib/data/dataset';
import { type Batch, Loader, type LoaderOptions, type SampleFailure } from '../../lib/data/loader';
import { TorchdetError } from '../../lib/errors';
import { type MadeImage, makeDataset, removeDatasets } from './loader-dataset';

const small: MadeImage = { width: 12, height: 8 };

async function all(batches: AsyncIterable<Batch>): Promise<Batch[]> {
  const list: Batch[] = [];
  for await (const batch of batches) list.push(batch);
  return list;
}

/** Everything there is to samples but their memory, for comparing. */
const plain = (batches: readonly Batch[]): unknown =>
  batches.map(({ samples }) =>
    samples.map((sample) => ({ ...sample, image: [...sample.image.data] })),
  );

const rejects =
  (code: string, pattern: RegExp) =>
  (error: unknown): boolean =>
    error instanceof TorchdetError && error.code === code && pattern.test(error.message);

describe('Loader', () => {
  after(removeDatasets);

  it('goes through all images, decoded, with their targets', async () => {
    const dataset = await makeDataset([
      { ...small, boxes: [1, 1, 5, 6, -3, 2, 40, 7], labelledClasses: [1] },
      { ...small, boxes: [] },
      small,
    ]);
    const loader = new Loader(dataset, { shuffle: false, batchSize: 2 });
    assert.equal(loader.length, 2);
    const batches = await all(loader);
    assert.deepEqual(
      batches.map(({ epoch, index, samples }) => [epoch, index, samples.length]),
      [
        [0, 0, 2],
        [0, 1, 1],
      ],
    );
    const [first, second] = batches[0]?.samples ?? [];
    assert.deepEqual([first?.image.width, first?.image.height], [12, 8]);
    assert.deepEqual([...(first?.image.data.subarray(0, 6) ?? [])], [255, 255, 255, 0, 100, 200]);
    assert.deepEqual([...(first?.boxes ?? [])], [1, 1, 5, 6, 0, 2, 12, 7]);
    assert.deepEqual([...(first?.labels ?? [])], [1, 2]);
    assert.deepEqual(first?.labelledClasses, [1]);
    assert.match(first.name, /0\.png$/);
    assert.equal(second?.boxes.length, 0);
    assert.equal(second.masks, undefined);
  });

  it('leaves out crowds and boxes without area, with their masks and keypoints', async () => {
    const dataset = await makeDataset([
      {
        ...small,
        boxes: [0, 0, 4, 4, 0, 0, 12, 8, 3, 3, 3, 9, 1, 1, 9, 7],
        crowd: [0, 1, 0, 0],
        keypoints: [1, 1, 2, 2, 2, 2, ...new Array<number>(12).fill(9), 5, 5, 2, 6, 6, 1],
        masks: true,
      },
    ]);
    const [batch] = await all(new Loader(dataset));
    const sample = batch?.samples[0];
    assert.deepEqual([...(sample?.labels ?? [])], [1, 4]);
    assert.deepEqual([...(sample?.keypoints ?? [])], [1, 1, 2, 2, 2, 2, 5, 5, 2, 6, 6, 1]);
    assert.equal(sample?.masks?.length, 2 * 12 * 8);
    assert.deepEqual(
      sample.masks.reduce((sum, value) => sum + value),
      2 * 10 * 6,
    );
  });

  it('augments pixels, boxes, masks and keypoints together', async () => {
    const image = { ...small, boxes: [0, 0, 4, 4], keypoints: [1, 2, 2, 3, 4, 1], masks: true };
    const dataset = await makeDataset([image]);
    const flip = (draft: { flip(): void }): void => {
      draft.flip();
    };
    const [batch] = await all(new Loader(dataset, { augmentation: [flip] }));
    const sample = batch?.samples[0];
    assert.deepEqual([...(sample?.boxes ?? [])], [8, 0, 12, 4]);
    // Left and right eye have changed places.
    assert.deepEqual([...(sample?.keypoints ?? [])], [9, 4, 1, 11, 2, 2]);
    const row = sample?.image.data.subarray(0, 12 * 3) ?? [];
    assert.deepEqual([...row].slice(-6), [0, 100, 200, 255, 255, 255]);
  });

  it('gives the same batches for the same seed, whatever the workers', async () => {
    const images = Array.from({ length: 9 }, (_, i) => ({
      width: 12 + (i % 3) * 12,
      height: 16 - i,
      boxes: [1, 1, 9, 7],
    }));
    const dataset = await makeDataset(images);
    const options: LoaderOptions = { augmentation: 'ssd', batchSize: 2, seed: 3 };
    const one = await all(new Loader(dataset, { ...options, workers: 1, prefetch: 0 }));
    const many = await all(new Loader(dataset, { ...options, workers: 4, prefetch: 3 }));
    assert.deepEqual(plain(one), plain(many));
    const other = await all(new Loader(dataset, { ...options, seed: 4 }));
    assert.notDeepEqual(plain(one), plain(other));
    const loader = new Loader(dataset, options);
    const first = plain(await all(loader));
    assert.deepEqual(first, plain(one));
    const second = plain(await all(loader));
    assert.notDeepEqual(first, second, 'epochs differ');
    assert.deepEqual(plain(await all(loader.epoch(1))), second);
    // An interrupted epoch goes on where it was.
    const rest = await all(loader.epoch(1, { from: 2 }));
    assert.equal(rest[0]?.index, 2);
    assert.deepEqual(plain(rest), (second as unknown[]).slice(2));
  });

  it('keeps decoded images up to the limit, and gives the same from memory', async () => {
    const dataset = await makeDataset([small, small, small]);
    const bytes = 12 * 8 * 3;
    const options: LoaderOptions = { augmentation: 'ssdlite', cacheBytes: 2 * bytes };
    const loader = new Loader(dataset, options);
    const first = await all(loader.epoch(0));
    assert.equal(loader.cachedBytes, 2 * bytes);
    assert.deepEqual(plain(await all(loader.epoch(0))), plain(first));
    assert.equal(loader.cachedBytes, 2 * bytes);
  });

  it('reads no further ahead than it may', async () => {
    const dataset = await makeDataset(Array.from({ length: 20 }, () => small));
    let asked = 0;
    const counting: Dataset = {
      ...dataset,
      entry: (index) => {
        asked++;
        return dataset.entry(index);
      },
    };
    const loader = new Loader(counting, { batchSize: 2, prefetch: 2, workers: 4 });
    const settled = async (wanted: number): Promise<void> => {
      while (asked < wanted) await sleep(5);
      await sleep(50);
      assert.equal(asked, wanted);
    };
    const batches = loader.epoch(0);
    await batches.next();
    // The one in use and two more.
    await settled(6);
    await batches.next();
    await settled(8);
    await batches.return();
    await settled(8);
  });

  describe('an image that cannot be read', () => {
    const images = [small, { ...small, bytes: Buffer.from('no picture') }, small, small];
    const options: LoaderOptions = { shuffle: false, aspectRatioGroups: 0 };

    it('ends the epoch, named', async () => {
      const loader = new Loader(await makeDataset(images), options);
      await assert.rejects(
        all(loader),
        rejects('ERR_IMAGE_FORMAT', /1\.png: Not an image torchdet decodes/),
      );
    });

    it('is left out if asked', async () => {
      const dataset = await makeDataset(images);
      const told: SampleFailure[] = [];
      const onError = (failure: SampleFailure): 'skip' => {
        told.push(failure);
        return 'skip';
      };
      const batches = await all(new Loader(dataset, { ...options, onError }));
      assert.deepEqual(
        batches.map(({ samples, failures }) => [samples.length, failures.length]),
        [
          [1, 1],
          [2, 0],
        ],
      );
      assert.deepEqual(told, batches[0]?.failures);
      assert.equal(told[0]?.index, 1);
    });

    it('or is of another size than the annotations say', async () => {
      const dataset = await makeDataset([{ ...small, claimedWidth: 13 }]);
      await assert.rejects(
        all(new Loader(dataset)),
        rejects('ERR_DATASET', /0\.png: the image has 12 x 8 pixels, but 13 x 8 according to/),
      );
    });

    it('or is not there', async () => {
      const dataset = await makeDataset([small]);
      removeDatasets();
      await assert.rejects(
        all(new Loader(dataset)),
        rejects('ERR_FILE', /0\.png: cannot be read: ENOENT/),
      );
    });
  });

  it('stops when its signal aborts, before and between batches and while it waits', async () => {
    const dataset = await makeDataset(Array.from({ length: 8 }, () => small));
    const loader = new Loader(dataset);
    const reason = new Error('enough');
    const isReason = (error: unknown): boolean => error === reason;
    await assert.rejects(all(loader.epoch(0, { signal: AbortSignal.abort(reason) })), isReason);

    const between = new AbortController();
    let seen = 0;
    const interrupted = async (): Promise<void> => {
      for await (const batch of loader.epoch(0, { signal: between.signal })) {
        seen += batch.samples.length;
        between.abort(reason);
      }
    };
    await assert.rejects(interrupted(), isReason);
    assert.equal(seen, 2);

    const waiting = new AbortController();
    const never: Dataset = { ...dataset, entry: (index) => slow(dataset, index) };
    const next = new Loader(never).epoch(0, { signal: waiting.signal }).next();
    setTimeout(() => {
      waiting.abort(reason);
    }, 20);
    await assert.rejects(next, isReason);
  });

  it('says which options do not fit', async () => {
    const dataset = await makeDataset([small]);
    const wrong: [LoaderOptions, RegExp][] = [
      [{ batchSize: 0 }, /"batchSize" must be a whole number from 1, got 0/],
      [{ seed: 0.5 }, /"seed" must be a whole number/],
      [{ indices: [1] }, /"indices" must be positions in the data set, 0 to 0, got 1/],
      [{ shard: { index: 2, count: 2 } }, /"shard.index" must be below count, 2, got 2/],
      [{ cacheBytes: -1 }, /"cacheBytes" must be/],
      [{ maxPixels: 0 }, /"maxPixels" must be a positive integer/],
    ];
    for (const [options, message] of wrong) {
      assert.throws(() => new Loader(dataset, options), rejects('ERR_OPTION_VALUE', message));
    }
    assert.throws(
      () => new Loader(dataset, { batchsize: 3 } as LoaderOptions),
      rejects('ERR_OPTION_UNKNOWN', /Did you mean "batchSize"/),
    );
    assert.throws(
      () => new Loader(dataset).epoch(0, { from: -1 }),
      rejects('ERR_OPTION_VALUE', /"from" must be a whole number from 0, got -1/),
    );
  });

  it('the decoded picture is that of decodeImage', async () => {
    const png = await makeDataset([{ width: 5, height: 7 }]);
    const { readFile } = await import('node:fs/promises');
    const [batch] = await all(new Loader(png));
    const decoded = await decodeImage(await readFile(png.entry(0).image));
    assert.deepEqual(batch?.samples[0]?.image, decoded);
  });
});

/** An entry whose masks never come. */
function slow(dataset: Dataset, index: number): ReturnType<Dataset['entry']> {
  const forever = new Promise<never>(() => undefined);
  return { ...dataset.entry(index), segmentations: () => forever };
}
