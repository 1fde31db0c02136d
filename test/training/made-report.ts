/** A report's contents, made up. */
import type { EvaluationDetails } from '../../lib/training/report/details';
import type { ReportData } from '../../lib/training/report/page';
import type { MetricsRecord } from '../../lib/training/records';

const names = ['red cell', 'white <cell>', 'platelet'];

function madeMetrics(epochs: number, stepsPerEpoch: number): MetricsRecord[] {
  const records: MetricsRecord[] = [];
  for (let epoch = 0; epoch < epochs; epoch++) {
    for (let i = 1; i <= stepsPerEpoch; i++) {
      const step = epoch * stepsPerEpoch + i;
      const noise = 0.15 * Math.sin(step * 12.9898);
      const falling = 0.25 + 1.6 * Math.exp(-step / 150) * (1 + noise);
      const losses = {
        loss_classifier: 0.45 * falling,
        loss_box_reg: 0.3 * falling,
        loss_objectness: 0.15 * falling,
        loss_rpn_box_reg: 0.1 * falling,
      };
      const lr = 0.01 * Math.min(1, step / 50) * (1 - step / (epochs * stepsPerEpoch));
      records.push({
        kind: 'step',
        epoch,
        step,
        losses,
        total: falling,
        lr,
        gradNorm: 3 * falling,
        images: 4,
        seconds: 1.3 * step,
      });
    }
    const ap50 = 0.9 * (1 - Math.exp(-(epoch + 1) / 4));
    const figures = { ap50, ap: 0.6 * ap50, ap75: 0.65 * ap50 } as never;
    const best = epoch < epochs - 1;
    records.push({
      kind: 'epoch',
      epoch,
      step: (epoch + 1) * stepsPerEpoch,
      loss: 0.5,
      seconds: 1.3 * (epoch + 1) * stepsPerEpoch,
      figures: { bbox: figures },
      best,
    });
  }
  return records;
}

const evaluation: EvaluationDetails = {
  images: 87,
  kinds: {
    bbox: {
      figures: { ap: 0.512, ap50: 0.871, ap75: 0.55, apSmall: -1, apMedium: 0.4, apLarge: 0.6 },
      classes: names.map((name, k) => ({
        label: k + 1,
        name,
        objects: [880, 88, 60][k] ?? 0,
        detections: 1000,
        ap: 0.6 - 0.1 * k,
        ap50: 0.95 - 0.1 * k,
        ap75: 0.6 - 0.1 * k,
        precision: Array.from({ length: 101 }, (_, i) => (i > 95 - 8 * k ? 0 : 1 - (i / 110) ** 4)),
      })),
    },
  },
  confusion: {
    names,
    matrix: [800, 2, 8, 70, 1, 86, 0, 1, 6, 0, 50, 4, 90, 3, 7, 0],
    precision: [0.89, 0.94, 0.77],
    recall: [0.91, 0.98, 0.83],
  },
  worst: [
    {
      name: 'a"b.jpg',
      missed: 5,
      falseDetections: 2,
      confused: 1,
      found: 12,
      jpeg: '/9j/4AAQSkZJRg==',
    },
  ],
};

export function madeReport(epochs = 12, stepsPerEpoch = 52): ReportData {
  return {
    title: 'Training of a <detector>',
    facts: { model: 'fasterrcnn', data: '/data/cells', 'batch size': '4' },
    metrics: madeMetrics(epochs, stepsPerEpoch),
    evaluation,
    config: { model: { name: '<x>' } },
  };
}
