// The chart of docs/benchmarks.svg: by model, everybody's time relative to the best peer's. Its colours are read on white and on black
// alike: not all who show SVG files tell them which it is.
import { time } from './report.mjs';

const COLOURS = {
  torchdet: '#e4572e',
  'onnxruntime-node': '#5b8db8',
  OpenVINO: '#8a7fb5',
  torchvision: '#9aa5a0',
};
const [WIDTH, LEFT, RIGHT] = [800, 260, 100];
const [BAR, GAP, TOP] = [14, 18, 64];
const MOST = 2.5;

const escape = (text) =>
  text.replace(/[&<>]/g, (c) => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;' })[c]);
const text = (x, y, words, attributes = '') =>
  `<text x="${x}" y="${y}" ${attributes}>${escape(words)}</text>`;

/** A bar with its label at the end; one beyond the scale is cut off and says so. */
function bar(y, { ratio, ms, colour, strong }) {
  const scale = (WIDTH - LEFT - RIGHT) / MOST;
  const width = Math.max(1, Math.min(ratio, MOST) * scale);
  const label = `${ratio > MOST ? '→ ' : ''}${ratio.toFixed(2)} · ${time(ms)}`;
  return [
    `<rect x="${LEFT}" y="${y}" width="${width.toFixed(1)}" height="${BAR - 2}" fill="${colour}" rx="2"/>`,
    text(
      (LEFT + width + 5).toFixed(1),
      y + BAR - 4,
      label,
      `class="label${strong ? ' strong' : ''}"`,
    ),
  ].join('\n');
}

/**
 * @param models what report.mjs' byModel() gives
 * @param caption where the figures were taken
 */
export function chart(models, caption) {
  const parts = [];
  let y = TOP;
  for (const { name, best, times } of models) {
    const entries = Object.entries(times);
    parts.push(text(LEFT - 10, y + 2 * BAR + 3, name.replace(/_fpn$/, ''), 'class="model"'));
    for (const [competitor, ms] of entries) {
      const colour = COLOURS[competitor];
      parts.push(
        ms === undefined
          ? text(LEFT + 5, y + BAR - 4, `${competitor} does not run it`, 'class="label"')
          : bar(y, { ratio: ms / best, ms, colour, strong: competitor === 'torchdet' }),
      );
      y += BAR;
    }
    y += GAP;
  }
  const one = LEFT + (WIDTH - LEFT - RIGHT) / MOST;
  const legend = Object.entries(COLOURS).map(([name, colour], i) => {
    const x = 20 + i * 150;
    return `<rect x="${x}" y="34" width="11" height="11" rx="2" fill="${colour}"/>${text(x + 16, 44, name)}`;
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y + 24}" role="img" aria-label="Time of a detection by model, relative to the best peer">
<style>
text { font: 12px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #737b85; }
.title { font-size: 15px; font-weight: 600; }
.model { text-anchor: end; }
.label { font-size: 10.5px; }
.strong { font-weight: 700; fill: ${COLOURS.torchdet}; }
.caption { font-size: 10px; }
.one { stroke: #737b85; stroke-dasharray: 2 4; opacity: 0.6; }
</style>
${text(20, 20, 'Time per image, relative to the best peer (shorter is better)', 'class="title"')}
${legend.join('\n')}
<line class="one" x1="${one}" x2="${one}" y1="${TOP - 6}" y2="${y - GAP + 4}"/>
${parts.join('\n')}
${text(20, y + 12, caption, 'class="caption"')}
</svg>
`;
}
