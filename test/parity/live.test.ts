import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Detector, Tensor } from '../../lib';
import { resnetFpn } from '../../lib/backbones';
import { buildModel, fasterRcnn } from '../../lib/models';
import { filledDetector, imagesOf, matchDetections } from './detectors';
import type { Tolerance } from './detectors';
import { random } from './fill';
import { checkHead } from './dense-stages';
import { assertClose, exactTolerance, readGolden, whole } from './golden';
import type { Golden } from './golden';
import { checkBackbone, checkRoiHeads, checkRpn, checkTransform } from './stages';

/*
 * The same comparisons at full size against an installed torchvision: set TORCHDET_ORACLE_PYTHON to a Python that has
 * torch, torchvision and safetensors. Takes some minutes. Of a hundred thousand anchors many score alike to the last digit, so
 * 10 of 1000 proposals and 3 of 100 detections may be others than torchvision's; the rest must agree.
 */
const PYTHON = process.env.TORCHDET_ORACLE_PYTHON;
const FASTER_RCNNS = [
  'fasterrcnn_resnet50_fpn',
  'fasterrcnn_resnet50_fpn_v2',
  'fasterrcnn_mobilenet_v3_large_fpn',
  'fasterrcnn_mobilenet_v3_large_320_fpn',
] as const;
const ONE_STAGE = [
  'retinanet_resnet50_fpn',
  'retinanet_resnet50_fpn_v2',
  'fcos_resnet50_fpn',
  'ssd300_vgg16',
  'ssdlite320_mobilenet_v3_large',
] as const;
const FAMILIES = [
  ...['fasterrcnn_resnet50_fpn', 'maskrcnn_resnet50_fpn', 'keypointrcnn_resnet50_fpn'],
  ...['retinanet_resnet50_fpn', 'fcos_resnet50_fpn', 'ssd300_vgg16'],
  'ssdlite320_mobilenet_v3_large',
];

describe('parity with an installed torchvision', function () {
  this.timeout(900_000);
  let folder = '';

  before(function () {
    if (!PYTHON) {
      console.log('    TORCHDET_ORACLE_PYTHON is not set: no torchvision to compare with');
      this.skip();
    }
    folder = mkdtempSync(join(tmpdir(), 'torchdet-live-'));
  });
  after(() => {
    if (folder) rmSync(folder, { recursive: true });
  });

  /** Runs live.py and returns the path its outputs start with. */
  async function oracle(mode: string, subject: string, name = subject): Promise<string> {
    const out = join(folder, `${mode}-${name}`);
    const script = join(__dirname, '..', 'oracle', 'live.py');
    await promisify(execFile)(PYTHON ?? '', ['-B', script, mode, subject, out]);
    return out;
  }

  for (const name of FASTER_RCNNS) {
    it(`${name}, stage by stage and end to end`, async () => {
      const golden = readGolden(`${await oracle('stages', name)}.safetensors`);
      await using detector = await filledDetector(buildModel(name), golden);
      await checkTransform(detector, golden);
      await checkBackbone(detector, golden);
      await checkRpn(detector, golden, 10);
      await checkRoiHeads(detector, golden);
      await checkDetections(detector, golden, true, exactTolerance(golden));
      await checkDetections(detector, golden, false, { boxes: 0.05, scores: 1e-4 });
    });
  }

  for (const name of ONE_STAGE) {
    it(`${name}, stage by stage and end to end`, async () => {
      const golden = readGolden(`${await oracle('dense', name)}.safetensors`);
      await using detector = await filledDetector(buildModel(name), golden);
      await checkTransform(detector, golden);
      await checkBackbone(detector, golden);
      await checkHead(detector, golden, 3);
      await checkDetections(detector, golden, true, exactTolerance(golden));
      await checkDetections(detector, golden, false, { boxes: 0.05, scores: 1e-4 });
    });
  }

  for (const name of FAMILIES) {
    it(`${name}, scripted by Python`, async () => {
      const path = await oracle('archive', name);
      const golden = readGolden(`${path}.safetensors`);
      await using detector = await Detector.load(`${path}.pt`, { device: 'cpu' });
      await checkDetections(detector, golden, true, exactTolerance(golden));
    });
  }

  it('Python reads and runs an archive saved here', async () => {
    const path = join(folder, 'saved.pt');
    const spec = fasterRcnn({ backbone: resnetFpn('resnet18'), numClasses: 3 });
    await using detector = await Detector.create(spec, { device: 'cpu' });
    await detector.save(path);
    const golden = readGolden(`${await oracle('read', path, 'saved')}.safetensors`);
    const { shape, data } = random('normal', [1, 3, 96, 128], 1000);
    const features = await detector.stages.backbone(Tensor.from(data, shape));
    for (const [name, map] of Object.entries(features)) {
      assertClose(golden, `backbone.${name}`, map);
    }
  });
});

async function checkDetections(
  detector: Detector,
  golden: Golden,
  exact: boolean,
  tolerance: Tolerance,
): Promise<void> {
  const [result, ...others] = await detector.predict(imagesOf(golden), {
    scoreThreshold: 0,
    exact,
  });
  assert.ok(result && others.length === 0);
  const expected = {
    boxes: whole(golden, 'detections.boxes.0'),
    labels: whole(golden, 'detections.labels.0'),
    scores: whole(golden, 'detections.scores.0'),
  };
  const what = exact ? 'exact' : 'folded and fused';
  const worst = matchDetections(expected, result, tolerance, `${golden.case}, ${what}`, 3);
  console.log(
    `      ${golden.case}, ${what}: ${expected.scores.length} detections, ${worst.missing} not found, others differ by ` +
      `${worst.boxes.toExponential(1)} px, ${worst.scores.toExponential(1)} in score`,
  );
}
