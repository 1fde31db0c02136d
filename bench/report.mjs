// Results as tables: for the terminal, and in Markdown for the documentation.
import Table from 'cli-table3';
import { PEERS } from './competitors.mjs';
import { difference } from './compare.mjs';
import { assessAgreement, bestPeer, SUBJECTS } from './subjects.mjs';

export function time(ms) {
  if (ms === undefined) return '';
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  return `${ms.toFixed(ms < 100 ? 1 : 0)} ms`;
}

/** Whether a target is met; undefined where there is none, null where nothing could be said. */
const yes = { true: 'yes', false: 'no', null: '?', undefined: '' };
const rowOf = (rows, name) => rows.find((row) => row.name === name);
const inOrder = (results) => SUBJECTS.filter(({ name }) => results[name]);

/** A competitor's figure: its time, its memory, or that it failed. */
function cell(row) {
  if (!row) return '';
  if (row.failed !== undefined) return 'fails';
  return row.medianMs === undefined ? `${row.peakMebibytes} MiB` : time(row.medianMs);
}

/** One line for each subject: [title, torchdet, its peers, what was reached, the target, whether it is met]. */
function summary({ results }) {
  const lines = inOrder(results).map(({ name, title, kind, target, assess }) => {
    const { rows, failed } = results[name];
    if (failed !== undefined) return [title, '', ...PEERS.map(() => ''), 'failed', target, 'no'];
    const { reached, met } = assess({ rows });
    const compared = kind === 'model' || kind === 'operator' || kind === 'memory';
    const figures = ['torchdet', ...PEERS].map((peer) => (compared ? cell(rowOf(rows, peer)) : ''));
    return [title, ...figures, reached, target, yes[met]];
  });
  const agreement = assessAgreement(results);
  if (agreement) {
    const { title, reached, target, met } = agreement;
    lines.push([title, '', ...PEERS.map(() => ''), reached, target, yes[met]]);
  }
  return lines;
}

const SUMMARY_HEAD = ['', 'torchdet', ...PEERS, 'reached', 'target', 'met'];

/** How far everybody's results are from torchvision's: detections paired, and the largest differences. */
function differences({ results }) {
  const names = ['torchdet', 'torchdet exact', ...PEERS.slice(1)];
  const lines = inOrder(results)
    .filter(({ kind, name }) => kind === 'model' && results[name].rows)
    .map(({ name }) => {
      const { rows } = results[name];
      const exact = rowOf(rows, 'torchdet exact')?.againstFirst;
      const cells = names.map((peer) => {
        const row = rowOf(rows, peer);
        if (row?.failed !== undefined) return 'fails';
        return row?.againstTorchvision ? difference(row.againstTorchvision) : '';
      });
      return [name, exact ? difference(exact) : '', ...cells];
    });
  const head = [
    '',
    'torchdet against its exact mode',
    ...names.map((name) => `${name} against torchvision`),
  ];
  return { head, lines };
}

/** Who could not run, and why. */
function failures({ results }) {
  return inOrder(results).flatMap(({ name }) => {
    const { rows = [], failed } = results[name];
    const own = failed === undefined ? [] : [`${name}: ${failed}`];
    const peers = rows.filter((row) => row.failed !== undefined);
    return [...own, ...peers.map((row) => `${row.name} on ${name}: ${row.failed}`)];
  });
}

function print(head, lines, options = {}) {
  const table = new Table({
    head,
    style: { head: [], border: [] },
    chars: { mid: '', 'left-mid': '', 'mid-mid': '', 'right-mid': '' },
    ...options,
  });
  table.push(...lines);
  console.log(`\n${table.toString()}`);
}

/** Everything about one subject, as soon as it is measured. */
export function printSubject({ name, title, target, assess }, { rows, failed }) {
  if (failed !== undefined) {
    console.log(`\n${title}: failed. ${failed}`);
    return;
  }
  const { reached, met } = assess({ rows });
  console.log(`\n${title}: ${reached} (target: ${target}; met: ${yes[met]})`);
  const own = rows[0];
  if (rows.some(({ busy }) => busy)) {
    const lines = rows.map(({ name: label, idle, busy, predicts }) => {
      const ms = [busy.p50, busy.p99, busy.max, idle.p99].map((delay) => delay.toFixed(1));
      return [label, ...ms, predicts];
    });
    print(['ms', 'p50', 'p99', 'longest', 'idle p99', 'predicts'], lines);
    return;
  }
  if (own.mebibytes) return;
  const lines = rows.map((row) => {
    if (row.failed !== undefined) return [row.name, 'fails', row.failed.slice(0, 60), '', '', ''];
    const ratio = own.medianMs && row.medianMs ? (row.medianMs / own.medianMs).toFixed(2) : '';
    const exact = row.againstFirst ? difference(row.againstFirst) : '';
    const peer = row.againstTorchvision ? difference(row.againstTorchvision) : '';
    return [
      row.name,
      time(row.medianMs),
      time(row.bestMs),
      ratio,
      exact,
      peer,
      row.peakMebibytes ?? '',
    ];
  });
  print(
    [name, 'median', 'best', 'x first', 'against first', 'against torchvision', 'peak MiB'],
    lines,
  );
}

/** The whole table. */
export function printAll(report) {
  const width = [34, 10, 13, 13, 18, 10, 24, 22, 5];
  print(SUMMARY_HEAD, summary(report), { colWidths: width, wordWrap: true });
  const { head, lines } = differences(report);
  if (lines.length > 0)
    print(head, lines, { colWidths: [26, ...head.slice(1).map(() => 21)], wordWrap: true });
  for (const failure of failures(report)) console.log(failure);
}

function markdownTable(head, lines, right) {
  const rule = head.map((_, i) => (right.has(i) ? '---:' : '---'));
  return [head, rule, ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** Where and with what the figures were taken, in a sentence. */
export function conditions({ machine, results }) {
  const all = Object.values(results);
  const versions = new Set(
    all.flatMap(({ rows = [] }) => rows.flatMap(({ version }) => version ?? [])),
  );
  const dates = all.map(({ date }) => date.slice(0, 10)).sort();
  const days = dates[0] === dates.at(-1) ? dates[0] : `${dates[0]} to ${dates.at(-1)}`;
  const { cpu, cores, threads, node } = machine;
  const trials = [...new Set(all.map((result) => result.trials))]
    .sort((a, b) => a - b)
    .join(' to ');
  return `${days}, ${cpu} with ${cores} cores, ${threads} threads, Node ${node}, ${[...versions].sort().join(', ')}; medians of ${trials} trials.`;
}

/** Conditions and the whole table. */
export function summaryMarkdown(report) {
  const lines = summary(report).map(([title, own, ...rest]) => [
    title,
    own && `**${own}**`,
    ...rest,
  ]);
  return `${conditions(report)}\n\n${markdownTable(SUMMARY_HEAD, lines, new Set([1, 2, 3, 4, 5]))}`;
}

/** The same, how far results are apart, and who could not run. */
export function markdown(report) {
  const { head, lines } = differences(report);
  const reasons = failures(report).map((failure) => `- ${failure}`);
  return [
    summaryMarkdown(report),
    'Detections that find a partner, and the largest differences of box sides and scores among the pairs:',
    markdownTable(head, lines, new Set()),
    ...(reasons.length > 0 ? [reasons.join('\n')] : []),
  ].join('\n\n');
}

/** Times of torchdet by precision. */
export function precisionMarkdown({ machine, results }) {
  const measured = inOrder(results).filter(
    ({ kind, name }) => kind === 'precision' && results[name].rows,
  );
  const lines = measured.map(({ name, model }) => {
    const { rows } = results[name];
    const [full, half, int8] = rows.map(({ medianMs }) => medianMs);
    const whole = (ms) => (ms === undefined ? 'fails' : ms.toFixed(ms < 100 ? 1 : 0));
    const ratio = int8 === undefined ? '' : (int8 / full).toFixed(2);
    return [`\`${model}\``, whole(full), whole(half), whole(int8), ratio];
  });
  const date = measured
    .map(({ name }) => results[name].date.slice(0, 10))
    .sort()
    .at(-1);
  const head = ['480 x 640 pixels', 'float32', 'bfloat16', 'int8', 'int8 / float32'];
  return `${date}, ${machine.cpu}, ${machine.threads} threads\n\n${markdownTable(head, lines, new Set([1, 2, 3, 4]))}`;
}

/** For the chart: the models measured, each with the time of the better torchvision and of every other competitor. */
export function byModel({ results }) {
  return inOrder(results)
    .filter(
      ({ kind, name }) => kind === 'model' && results[name].rows && bestPeer(results[name].rows),
    )
    .map(({ name }) => {
      const { rows } = results[name];
      const eager = bestPeer(rows.filter((row) => row.name.startsWith('torchvision')));
      const find = (label) => rowOf(rows, label)?.medianMs;
      return {
        name,
        best: bestPeer(rows).medianMs,
        times: {
          torchdet: find('torchdet'),
          'onnxruntime-node': find('onnxruntime-node'),
          OpenVINO: find('OpenVINO'),
          torchvision: eager?.medianMs,
        },
      };
    });
}
