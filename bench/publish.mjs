// Puts figures where people read them: docs/benchmarks.svg, the tables between the marks of Markdown pages, and bench/figures.json, the
// results all of these were made from.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { format, resolveConfig } from 'prettier';
import { chart } from './chart.mjs';
import { byModel, markdown, precisionMarkdown, summaryMarkdown } from './report.mjs';

const here = import.meta.dirname;
const FIGURES = join(here, 'figures.json');
const [BEGIN, END] = ['<!-- figures of npm run bench -->', '<!-- end of figures -->'];

/** "AMD EPYC, 2 threads, 2026-11-21, float32". */
export function caption({ machine, results }) {
  const date = Object.values(results)
    .map((result) => result.date)
    .sort()
    .at(-1);
  return `${machine.cpu}, ${machine.threads} threads, float32, one image of 640 x 480, ${date?.slice(0, 10)}. torchvision: the better of NCHW and channels last.`;
}

export const drawing = (report) => chart(byModel(report), caption(report));

function replaceBetweenMarks(path, content) {
  const text = readFileSync(path, 'utf8');
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${path}: "${BEGIN}" and "${END}" are missing`);
  const head = text.slice(0, begin + BEGIN.length);
  writeFileSync(path, `${head}\n\n${content}\n\n${text.slice(end)}`);
}

/** @returns the files written */
export async function publish(report) {
  const docs = join(here, '..', 'docs');
  const files = [
    join(docs, 'benchmarks.svg'),
    join(here, 'README.md'),
    join(docs, 'performance.md'),
    join(docs, 'precision.md'),
    FIGURES,
  ];
  writeFileSync(files[0], drawing(report));
  replaceBetweenMarks(files[1], markdown(report));
  replaceBetweenMarks(files[2], `![Time by model](benchmarks.svg)\n\n${summaryMarkdown(report)}`);
  replaceBetweenMarks(files[3], precisionMarkdown(report));
  const config = await resolveConfig(FIGURES);
  writeFileSync(FIGURES, await format(JSON.stringify(report), { ...config, parser: 'json' }));
  return files;
}
