/*
 * Every number of an evaluation against an installed pycocotools: set TORCHDET_ORACLE_PYTHON to a Python that has it. Set
 * TORCHDET_TEST_DATA to a folder of data sets that holds coco128 to evaluate the embedded detector on its photos too.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Detector } from '../../lib';
import { assertAsExpected, evaluatorOf } from './cases';
import type { EvaluationCase, Expected } from './cases';

const PYTHON = process.env.TORCHDET_ORACLE_PYTHON;
const DATA = process.env.TORCHDET_TEST_DATA;
const PHOTOS = 64;

interface CocoFile {
  readonly categories: readonly { id: number; name: string }[];
  readonly images: readonly { id: number; file_name: string; width: number; height: number }[];
  readonly annotations: readonly {
    image_id: number;
    category_id: number;
    bbox: [number, number, number, number];
    area: number;
    iscrowd: number;
  }[];
}

describe('evaluation beside an installed pycocotools', function () {
  this.timeout(600_000);
  let folder = '';

  before(function () {
    if (!PYTHON) {
      console.log('    TORCHDET_ORACLE_PYTHON is not set: no pycocotools to compare with');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'torchdet-evaluation-'));
  });
  after(() => {
    if (folder) rmSync(folder, { recursive: true });
  });

  const python = (...args: readonly string[]) =>
    promisify(execFile)(PYTHON ?? '', [
      '-B',
      join(__dirname, '..', 'oracle', 'evaluation.py'),
      ...args,
    ]);

  /** Evaluates a case's file with both, and compares everything. */
  async function compare(path: string): Promise<void> {
    await python('evaluate', path, `${path}.out`);
    const oracle = JSON.parse(readFileSync(`${path}.out`, 'utf8')) as Expected & {
      readonly seconds: number;
    };
    const given = JSON.parse(readFileSync(path, 'utf8')) as EvaluationCase;
    const start = performance.now();
    const evaluator = evaluatorOf(given);
    const added = performance.now();
    const { bbox } = await evaluator.summarize();
    const end = performance.now();
    assert.ok(bbox);
    assertAsExpected(bbox, oracle);
    const seconds = (milliseconds: number) => `${(milliseconds / 1000).toFixed(2)} s`;
    console.log(
      `      AP ${bbox.figures.ap.toFixed(4)}; adding ${seconds(added - start)}, summarize ` +
        `${seconds(end - added)}, pycocotools ${seconds(1000 * oracle.seconds)}`,
    );
  }

  it('5,000 made-up images of 80 classes', async () => {
    const path = join(folder, 'large.json');
    await python('large', path);
    await compare(path);
  });

  it('photos and the embedded detector', async function () {
    const root = join(DATA ?? '', 'coco128');
    if (!DATA || !existsSync(root)) {
      console.log('    TORCHDET_TEST_DATA is not set: no photos to evaluate on');
      this.skip();
    }
    const file = JSON.parse(
      readFileSync(join(root, 'instances_train2017_boxes.json'), 'utf8'),
    ) as CocoFile;
    await using detector = await Detector.default();
    const names = detector.categories ?? [];
    const images = [];
    for (const { id, file_name, width, height } of file.images.slice(0, PHOTOS)) {
      const path = ['images', 'images/train2017']
        .map((sub) => join(root, sub, file_name))
        .find((candidate) => existsSync(candidate));
      assert.ok(path, file_name);
      const marked = file.annotations.filter((annotation) => annotation.image_id === id);
      const [result] = await detector.predict([readFileSync(path)], { scoreThreshold: 0.01 });
      assert.ok(result);
      const labels = Array.from(
        result.labels,
        (label) => file.categories.find(({ name }) => name === names[label])?.id ?? 0,
      );
      images.push({
        id,
        width,
        height,
        truth: {
          boxes: marked.flatMap(({ bbox: [x, y, w, h] }) => [x, y, x + w, y + h]),
          labels: marked.map(({ category_id }) => category_id),
          areas: marked.map(({ area }) => area),
          crowd: marked.map(({ iscrowd }) => iscrowd),
        },
        detections: { boxes: [...result.boxes], labels, scores: [...result.scores] },
      });
    }
    const path = join(folder, 'photos.json');
    const categories = file.categories.map(({ id }) => id);
    writeFileSync(path, JSON.stringify({ kind: 'bbox', categories, images }));
    await compare(path);
  });
});
