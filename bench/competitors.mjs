// Who runs a subject: torchdet's modes and its peers, each as a command. A worker that cannot start, for want of a package or
// because its library cannot run the model, fails when it is started, and is reported so.
import { join } from 'node:path';

const workers = join(import.meta.dirname, 'workers');
const node = process.execPath;

/** Timed a few times only: it is there for its results. */
const FEW = 3;

/** What the peers are called, in the order of all tables. The first two count as one, the better of them. */
export const PEERS = ['torchvision', 'torchvision channels last', 'onnxruntime-node', 'OpenVINO'];

/**
 * @param subject a model's name or an operator's
 * @param from `jpeg` or `pixels`, what a trial starts from
 */
export function competitorsOf(subject, from, { inputs, threads, python }) {
  const args = [inputs, subject, String(threads), from];
  const torchdet = [join(workers, 'torchdet.mjs'), ...args];
  const eager = ['-B', join(workers, 'torchvision_eager.py'), ...args];
  const [nchw, channelsLast] = [
    { name: 'torchvision', command: python, args: [...eager, 'nchw'] },
    { name: 'torchvision channels last', command: python, args: [...eager, 'channels_last'] },
  ];
  const own = { name: 'torchdet', command: node, args: torchdet };
  if (subject === 'nms') return [own, nchw];
  if (subject === 'roi_align') {
    const planes = { name: 'torchdet NCHW', command: node, args: [...torchdet, 'nchw'] };
    return [own, planes, nchw, channelsLast];
  }
  return [
    own,
    { name: 'torchdet exact', command: node, args: [...torchdet, 'exact'], most: FEW },
    nchw,
    channelsLast,
    { name: 'onnxruntime-node', command: node, args: [join(workers, 'onnxruntime.mjs'), ...args] },
    { name: 'OpenVINO', command: python, args: ['-B', join(workers, 'openvino_onnx.py'), ...args] },
  ];
}

export const batchCompetitors = (subject, { inputs, threads }) =>
  ['together', 'alone'].map((mode) => ({
    name: mode === 'together' ? 'batch of 8' : 'one by one',
    command: node,
    args: [join(workers, 'torchdet-batch.mjs'), inputs, subject, String(threads), mode],
  }));

/** torchdet alone, in each of its precisions. */
export const precisionCompetitors = (subject, { inputs, threads }) =>
  ['float32', 'bfloat16', 'int8'].map((precision) => ({
    name: precision,
    command: node,
    args: [join(workers, 'torchdet.mjs'), inputs, subject, String(threads), 'pixels', precision],
  }));
