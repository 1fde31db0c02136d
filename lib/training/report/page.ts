/** The report as one HTML page that needs nothing else: no network, no script. */
import type { EpochRecord, MetricsRecord, StepRecord } from '../records';
import { confusionTable } from './confusion-plot';
import type { ClassDetails, EvaluationDetails, KindDetails } from './details';
import { duration, escape, percent, short, table } from './html';
import { linePlot, type PlotSeries, smoothed, thinned } from './line-plot';

/** What a report is made of. */
export interface ReportData {
  readonly title: string;
  /** What stands below the title, name by name. */
  readonly facts: Readonly<Record<string, string>>;
  /** Of a training run, in their order. */
  readonly metrics?: readonly MetricsRecord[];
  /** Of the best epoch, or of an evaluation by itself. */
  readonly evaluation?: EvaluationDetails | undefined;
  /** All of the configuration, to be looked up. */
  readonly config?: unknown;
}

const style = `
:root{--ink:#1b1f24;--soft:#5b6470;--ground:#fff;--line:#e3e6ea;--card:#f7f8fa}
@media (prefers-color-scheme:dark){:root{--ink:#e6e8eb;--soft:#9aa4b0;--ground:#15181c;--line:#30363d;--card:#1d2126}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:1180px;padding:24px 20px 60px;font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--ground)}
h1{font-size:26px;margin:0 0 4px}h2{font-size:19px;margin:40px 0 12px}h3{font-size:15px;margin:20px 0 8px}
.facts{display:flex;flex-wrap:wrap;gap:4px 22px;color:var(--soft);margin:0 0 20px}.facts b{color:var(--ink);font-weight:600}
.tiles{display:flex;flex-wrap:wrap;gap:12px}.tile{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 18px;min-width:110px}
.tile b{display:block;font-size:24px}.tile span{color:var(--soft);font-size:13px}
.plots{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,440px),1fr));gap:16px}
figure{margin:0}.plot{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:8px}
svg{display:block;width:100%;height:auto;font:12px system-ui,sans-serif}svg text{fill:var(--soft)}svg .title{fill:var(--ink);font-size:14px;font-weight:600}
.grid{stroke:var(--line)}
figcaption{display:flex;flex-wrap:wrap;gap:2px 14px;padding:0 10px 4px;font-size:13px;color:var(--soft)}figcaption i{display:inline-block;width:14px;height:4px;border-radius:2px;margin:0 6px 3px 0}
.wide{overflow-x:auto}table{border-collapse:collapse;font-variant-numeric:tabular-nums}th,td{padding:4px 12px;border-bottom:1px solid var(--line);text-align:right;white-space:nowrap}
th:first-child,td:first-child{text-align:left}thead th{color:var(--soft);font-weight:600}.confusion td{min-width:64px;border:1px solid var(--line)}.strong{color:#fff}
.worst{display:grid;grid-template-columns:repeat(auto-fill,minmax(340px,1fr));gap:16px}.worst img{width:100%;border-radius:6px;display:block}.worst figcaption{padding:4px 0;display:block}
.note{color:var(--soft);font-size:13px}pre{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px;overflow-x:auto;font-size:12px}summary{cursor:pointer;color:var(--soft)}
`;

const kindNames = { bbox: 'boxes', segm: 'masks', keypoints: 'keypoints' } as const;
type Kind = keyof typeof kindNames;
const kinds = Object.keys(kindNames) as Kind[];

function tiles(entries: readonly (readonly [name: string, value: string])[]): string {
  const all = entries.map(
    ([name, value]) =>
      `<div class="tile"><b>${escape(value)}</b><span>${escape(name)}</span></div>`,
  );
  return `<div class="tiles">${all.join('')}</div>`;
}

function stepsOf(metrics: readonly MetricsRecord[]): StepRecord[] {
  return metrics.filter((record): record is StepRecord => record.kind === 'step');
}

function epochsOf(metrics: readonly MetricsRecord[]): EpochRecord[] {
  return metrics.filter((record): record is EpochRecord => record.kind === 'epoch');
}

/** Loss, its parts, the learning rate and the figures over the run. */
function curves(metrics: readonly MetricsRecord[]): string {
  const steps = stepsOf(metrics);
  const epochs = epochsOf(metrics);
  const perEpoch = (epochs[0]?.step ?? 0) || (steps.at(-1)?.step ?? 1);
  const inEpochs = (value: (step: StepRecord) => number | undefined) =>
    steps.flatMap((step): (readonly [number, number])[] => {
      const y = value(step);
      return y === undefined ? [] : [[step.step / perEpoch, y]];
    });
  const xRange = [0, (steps.at(-1)?.step ?? 1) / perEpoch] as const;
  const axis = { xLabel: 'epoch', xRange };
  const total = inEpochs((step) => step.total);
  const names = [...new Set(steps.flatMap(({ losses }) => Object.keys(losses)))];
  const plots = [
    linePlot(
      [
        { name: 'each step', points: thinned(total), faint: true, colour: 0 },
        { name: 'loss', points: thinned(smoothed(total)), colour: 0 },
      ],
      { title: 'Loss', ...axis },
    ),
    linePlot(
      names.map((name) => ({
        name,
        points: thinned(smoothed(inEpochs(({ losses }) => losses[name]))),
      })),
      { title: 'Parts of the loss', ...axis },
    ),
    ...figurePlots(epochs, xRange),
    linePlot([{ name: 'rate', points: thinned(inEpochs((step) => step.lr)) }], {
      title: 'Learning rate',
      ...axis,
    }),
  ];
  return `<h2>Course of the run</h2><div class="plots">${plots.join('')}</div>`;
}

function figurePlots(epochs: readonly EpochRecord[], xRange: readonly [number, number]): string[] {
  return kinds.flatMap((kind) => {
    const points = (figure: 'ap' | 'ap50' | 'ap75') =>
      epochs.flatMap(({ epoch, figures }): (readonly [number, number])[] => {
        const value = figures?.[kind]?.[figure] ?? -1;
        return value < 0 ? [] : [[epoch + 1, value]];
      });
    const series: PlotSeries[] = [
      { name: 'AP50', points: points('ap50'), dots: true },
      { name: 'AP', points: points('ap'), dots: true },
      { name: 'AP75', points: points('ap75'), dots: true },
    ];
    if (series.every(({ points: some }) => some.length === 0)) return [];
    const title = `Average precision of ${kindNames[kind]}`;
    return [linePlot(series, { title, xLabel: 'epoch', xRange, yRange: [0, 1] })];
  });
}

const figureTitles: Readonly<Record<string, string>> = {
  ap: 'AP',
  ap50: 'AP50',
  ap75: 'AP75',
  apSmall: 'AP small',
  apMedium: 'AP medium',
  apLarge: 'AP large',
  ar: 'AR',
  ar1: 'AR, 1 detection',
  ar10: 'AR, 10',
  ar100: 'AR, 100',
  ar50: 'AR50',
  ar75: 'AR75',
  arSmall: 'AR small',
  arMedium: 'AR medium',
  arLarge: 'AR large',
};

function kindSection(kind: Kind, { figures, classes }: KindDetails, details: EvaluationDetails) {
  const { precision, recall, scoreThreshold = 0.5 } = details.confusion;
  const ofBoxes = kind === 'bbox' || !details.kinds.bbox;
  const head = ['class', 'objects', 'AP', 'AP50', 'AP75'];
  if (ofBoxes) head.push('precision', 'recall');
  const rows = classes.map((one, k) => {
    const own = [one.name, String(one.objects), percent(one.ap), percent(one.ap50)];
    const rest = ofBoxes ? [percent(precision[k]), percent(recall[k])] : [];
    return [...own, percent(one.ap75), ...rest];
  });
  const names = Object.keys(figures);
  const overall = table(
    names.map((name) => figureTitles[name] ?? name),
    [names.map((name) => percent(figures[name]))],
  );
  return `<h2>Figures of ${kindNames[kind]}</h2><div class="wide">${overall}</div>
<h3>By class</h3><div class="wide">${table(head, rows)}</div>
${ofBoxes ? `<p class="note">In percent. Precision and recall are those of detections scoring ${scoreThreshold} or more, at IoU 0.5.</p>` : ''}
<h3>Precision by recall at IoU 0.5</h3>${precisionRecall(classes)}`;
}

/** One plot for a few classes; a small one for each where they are many. */
function precisionRecall(classes: readonly ClassDetails[]): string {
  const there = classes.filter(({ objects }) => objects > 0);
  const ranges = { xLabel: 'recall', xRange: [0, 1], yRange: [0, 1] } as const;
  const seriesOf = ({ name, ap50, precision }: ClassDetails): PlotSeries => ({
    name: `${name} (${percent(ap50)})`,
    points: precision.map((value, i) => [i / (precision.length - 1), value] as const),
  });
  const plots =
    there.length <= 6
      ? [linePlot(there.map(seriesOf), { title: 'Precision', ...ranges })]
      : there.map((one) => linePlot([seriesOf(one)], { title: seriesOf(one).name, ...ranges }));
  return `<div class="plots">${plots.join('')}</div>`;
}

function worstSection({ worst }: EvaluationDetails): string {
  if (worst.length === 0) return '';
  const figures = worst.map(
    ({ name, jpeg, missed, falseDetections, confused, found }) =>
      `<figure><img alt="${escape(name)}" src="data:image/jpeg;base64,${jpeg}"><figcaption><b>${escape(name)}</b>: ${missed} missed, ${falseDetections} false, ${confused} confused, ${found} found</figcaption></figure>`,
  );
  return `<h2>Images with the most errors</h2><p class="note">Errors alone are drawn: objects that were missed, false detections, and objects taken for another class.</p><div class="worst">${figures.join('')}</div>`;
}

function summary(data: ReportData): string {
  const steps = stepsOf(data.metrics ?? []);
  const epochs = epochsOf(data.metrics ?? []);
  const figures = data.evaluation?.kinds.bbox?.figures ?? data.evaluation?.kinds.segm?.figures;
  const best = epochs.filter(({ best: isBest }) => isBest).at(-1);
  const last = epochs.at(-1);
  const entries: (readonly [string, string])[] = [];
  if (figures) {
    entries.push(['AP50', percent(figures.ap50)], ['AP', percent(figures.ap)]);
    entries.push(['AP75', percent(figures.ap75)]);
  }
  if (best) entries.push(['best epoch', String(best.epoch + 1)]);
  if (data.evaluation) entries.push(['images evaluated', String(data.evaluation.images)]);
  if (last) {
    entries.push(['epochs', String(last.epoch + 1)], ['loss of the last epoch', short(last.loss)]);
    entries.push(['time', duration(last.seconds)]);
  }
  if (steps.length > 0) entries.push(['steps', String(steps.length)]);
  return tiles(entries);
}

/** The page. */
export function renderReport(data: ReportData): string {
  const { title, facts, metrics = [], evaluation, config } = data;
  const shown = Object.entries(facts).map(
    ([name, value]) => `<span>${escape(name)} <b>${escape(value)}</b></span>`,
  );
  const sections = [summary(data), metrics.length > 0 ? curves(metrics) : ''];
  if (evaluation) {
    for (const kind of kinds) {
      const found = evaluation.kinds[kind];
      if (found) sections.push(kindSection(kind, found, evaluation));
    }
    const { names, matrix, scoreThreshold = 0.5 } = evaluation.confusion;
    sections.push(
      `<h2>What is taken for what</h2><p class="note">Rows are what is there, columns what was detected with a score of ${scoreThreshold} or more; colours are shares of the row.</p><div class="wide">${confusionTable(names, matrix)}</div>`,
      worstSection(evaluation),
    );
  }
  if (config !== undefined) {
    const text = escape(JSON.stringify(config, null, 2));
    sections.push(
      `<h2>Configuration</h2><details><summary>config.json</summary><pre>${text}</pre></details>`,
    );
  }
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1"><title>${escape(title)}</title><style>${style}</style></head>
<body><h1>${escape(title)}</h1><p class="facts">${shown.join('')}</p>
${sections.filter((section) => section !== '').join('\n')}
</body></html>
`;
}
