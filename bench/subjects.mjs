// The subjects of the benchmarks, how each is measured, and what it shall reach. assess() tells from what was measured, so that
// tables can be made of results kept.
import { PEERS } from './competitors.mjs';
import * as measure from './measure.mjs';

const DEFAULT_DETECTOR = 'detector of the package';

/** The fastest peer of a subject's rows, or undefined where none ran. */
export function bestPeer(rows) {
  const ran = rows.filter(({ name, failed }) => PEERS.includes(name) && failed === undefined);
  return ran.sort((a, b) => a.medianMs - b.medianMs)[0];
}

/** Time as a share of the best peer's. */
const share = (most) => ({
  target: most === 1 ? 'ahead of the best peer' : `at most ${most} of the best peer`,
  assess({ rows }) {
    const peer = bestPeer(rows);
    if (!peer) return { reached: 'no peer ran', met: null };
    const ratio = rows[0].medianMs / peer.medianMs;
    const shown = most < 0.1 ? `1/${(1 / ratio).toFixed(1)}` : ratio.toFixed(2);
    return { reached: `${shown} of ${peer.name}`, met: most === 1 ? ratio < 1 : ratio <= most };
  },
});

const model = (name, most, from = 'pixels') => ({
  name,
  title: from === 'jpeg' ? `${name}, from JPEG` : name,
  kind: 'model',
  inputs: [name],
  from,
  measure: measure.models,
  ...share(most),
});
const operator = (name, title) => ({
  name,
  title,
  kind: 'operator',
  inputs: [name],
  measure: measure.models,
  ...share(1 / 20),
  target: 'at most 1/20 of torchvision',
});

const batch = {
  name: 'batch',
  title: '8 images of different shapes at once, fasterrcnn_resnet50_fpn',
  kind: 'batch',
  model: 'fasterrcnn_resnet50_fpn',
  inputs: ['fasterrcnn_resnet50_fpn'],
  measure: measure.batch,
  // Many a predict of the largest model: few trials tell enough.
  mostTrials: 3,
  target: 'per image not dearer than alone',
  assess({ rows: [together, alone] }) {
    const ratio = together.medianMs / alone.medianMs;
    return { reached: `${ratio.toFixed(2)} of one by one`, met: ratio <= 1 };
  },
};

/** @param most of float32's time; without it there is no target */
const precision = (model, most) => ({
  name: `precision:${model}`,
  title: `${model} in int8`,
  kind: 'precision',
  model,
  inputs: [model],
  measure: measure.precisions,
  target: most === undefined ? 'none' : `at most ${most} of float32`,
  assess({ rows: [full, half, int8] }) {
    const share = ({ medianMs }) => (medianMs ? (medianMs / full.medianMs).toFixed(2) : 'fails');
    const met = int8.medianMs ? int8.medianMs <= most * full.medianMs : null;
    return {
      reached: `${share(int8)} of float32; bfloat16 ${share(half)}`,
      met: most === undefined ? undefined : met,
    };
  },
});

const start = {
  name: 'start',
  title: `process start to first detection, ${DEFAULT_DETECTOR}`,
  kind: 'start',
  inputs: [],
  measure: measure.processStart,
  target: 'at most 1.0 s, LibTorch in the page cache',
  assess({ rows: [{ medianMs }] }) {
    return { reached: `${(medianMs / 1000).toFixed(2)} s`, met: medianMs <= 1000 };
  },
};

const memory = {
  name: 'memory',
  title: 'peak memory, fasterrcnn_resnet50_fpn',
  kind: 'memory',
  model: 'fasterrcnn_resnet50_fpn',
  inputs: ['fasterrcnn_resnet50_fpn'],
  measure: measure.peaks,
  target: "not above onnxruntime's",
  assess({ rows }) {
    const other = rows.find(({ name }) => name === 'onnxruntime-node');
    const own = rows[0].peakMebibytes;
    if (!other?.peakMebibytes) return { reached: `${own} MiB, no onnxruntime`, met: null };
    return { reached: `${own} of ${other.peakMebibytes} MiB`, met: own <= other.peakMebibytes };
  },
};

/** Growth that pools and the measuring itself account for. */
const FLAT_MEBIBYTES = 16;
const shapes = {
  name: 'shapes',
  title: `memory over predicts of random shapes, ${DEFAULT_DETECTOR}`,
  kind: 'shapes',
  inputs: [],
  measure: measure.shapes,
  target: 'flat over 1000 predicts',
  assess({ rows: [{ before, after, predicts }] }) {
    const grown = after - before;
    const reached = `${grown >= 0 ? '+' : ''}${grown.toFixed(0)} MiB to ${after.toFixed(0)} over ${predicts}`;
    return { reached, met: grown <= FLAT_MEBIBYTES };
  },
};

const eventLoop = {
  name: 'event-loop',
  title: 'event-loop delay p99 during back-to-back predicts',
  kind: 'event-loop',
  models: ['default', 'fasterrcnn_resnet50_fpn'],
  inputs: [],
  measure: measure.eventLoop,
  target: 'under 5 ms at cores - 1 threads, under 20 ms at all',
  assess({ rows }) {
    const worst = (all) =>
      Math.max(...rows.filter(({ allCores }) => allCores === all).map(({ busy }) => busy.p99));
    const [all, fewer] = [worst(true), worst(false)];
    const alone = !Number.isFinite(fewer);
    return {
      reached: alone ? `${all.toFixed(1)} ms` : `${fewer.toFixed(1)} ms; ${all.toFixed(1)} ms`,
      met: (alone || fewer < 5) && all < 20,
    };
  },
};

export const SUBJECTS = [
  model('fasterrcnn_resnet50_fpn', 0.7, 'jpeg'),
  model('fasterrcnn_mobilenet_v3_large_320_fpn', 1),
  model('ssdlite320_mobilenet_v3_large', 1),
  model('ssd300_vgg16', 0.6),
  model('retinanet_resnet50_fpn', 0.7),
  model('fcos_resnet50_fpn', 0.7),
  model('maskrcnn_resnet50_fpn', 0.7),
  operator('nms', 'nms of 10,000 boxes'),
  operator('roi_align', 'roi_align of 1,000 boxes, 256 channels'),
  batch,
  precision('fasterrcnn_resnet50_fpn', 0.5),
  precision('fcos_resnet50_fpn'),
  precision('ssd300_vgg16'),
  precision('fasterrcnn_mobilenet_v3_large_320_fpn'),
  precision('ssdlite320_mobilenet_v3_large'),
  start,
  memory,
  shapes,
  eventLoop,
];

const [BOXES, SCORES] = [0.05, 1e-4];

/** Of all models measured: how far detections are from those of the exact mode. */
export function assessAgreement(results) {
  const found = Object.values(results)
    .flatMap(({ rows = [] }) => rows)
    .filter(({ name }) => name === 'torchdet exact')
    .flatMap(({ againstFirst }) => againstFirst ?? []);
  if (found.length === 0) return undefined;
  const boxes = Math.max(...found.map((difference) => difference.boxes));
  const scores = Math.max(...found.map((difference) => difference.scores));
  const sum = (key) => found.reduce((total, difference) => total + difference[key], 0);
  return {
    title: `detections against exact mode, ${found.length} models`,
    target: `boxes within ${BOXES} px, scores within ${SCORES}`,
    reached: `${boxes.toPrecision(2)} px, ${scores.toExponential(1)}, ${sum('matched')} of ${sum('of')} matched`,
    met: boxes <= BOXES && scores <= SCORES && sum('matched') === sum('of'),
  };
}
