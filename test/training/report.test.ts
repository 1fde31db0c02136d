import assert from 'node:assert/strict';
import { SaxesParser } from 'saxes';
import { confusionTable } from '../../lib/training/report/confusion-plot';
import { duration, escape, percent, short } from '../../lib/training/report/html';
import { linePlot, smoothed, thinned, ticks } from '../../lib/training/report/line-plot';
import { renderReport } from '../../lib/training/report/page';
import { madeReport } from './made-report';

/** The elements of a piece of SVG, which must be well formed. */
function elementsOf(svg: string): { name: string; attributes: Record<string, string> }[] {
  const found: { name: string; attributes: Record<string, string> }[] = [];
  const parser = new SaxesParser();
  parser.on('opentag', ({ name, attributes }) => found.push({ name, attributes }));
  parser.on('error', (error) => {
    throw error;
  });
  parser.write(svg).close();
  return found;
}

describe('report', () => {
  const page = renderReport(madeReport());

  it('has the figures, the curves and the images, and needs no network', () => {
    for (const part of ['87.1', 'best epoch', '11', 'Loss', 'Parts of the loss', 'Learning rate']) {
      assert.ok(page.includes(part), part);
    }
    assert.ok(page.includes('Average precision of boxes'));
    assert.ok(page.includes('data:image/jpeg;base64,/9j/4AAQSkZJRg=='));
    assert.ok(page.includes('5 missed, 2 false, 1 confused, 12 found'));
    assert.ok(!/https?:|<script|<link/.test(page));
  });

  it('writes names as text, whatever they hold', () => {
    assert.ok(page.includes('Training of a &lt;detector&gt;'));
    assert.ok(page.includes('<td>white &lt;cell&gt;</td>'));
    assert.ok(page.includes('alt="a&quot;b.jpg"'));
    assert.ok(!page.includes('<cell>') && !page.includes('<x>'));
  });

  it('says from which score on detections count', () => {
    assert.match(page, /detections scoring 0\.5 or more/);
    assert.match(page, /detected with a score of 0\.5 or more/);
    const { evaluation, ...rest } = madeReport();
    assert.ok(evaluation);
    const confusion = { ...evaluation.confusion, scoreThreshold: 0.2 };
    const other = renderReport({ ...rest, evaluation: { ...evaluation, confusion } });
    assert.match(other, /detections scoring 0\.2 or more/);
    assert.match(other, /detected with a score of 0\.2 or more/);
    assert.ok(!other.includes('0.5 or more'));
  });

  it('does without metrics, and without an evaluation', () => {
    const { evaluation, ...rest } = madeReport();
    assert.ok(!renderReport(rest).includes('What is taken for what'));
    assert.ok(evaluation);
    const alone = renderReport({ title: 'Evaluation', facts: {}, evaluation });
    assert.ok(!alone.includes('Course of the run') && alone.includes('What is taken for what'));
    assert.ok(
      renderReport({ title: 'Nothing yet', facts: {}, metrics: [] }).includes('Nothing yet'),
    );
  });

  it('stays small for long runs', () => {
    assert.ok(renderReport(madeReport(50, 1000)).length < 150_000);
  });
});

describe('line plot', () => {
  it('maps the ranges to the corners of the plot', () => {
    const plot = linePlot(
      [
        {
          name: 'a',
          points: [
            [0, 0],
            [10, 1],
          ],
        },
      ],
      {
        title: 'T & U',
        xLabel: 'x',
        xRange: [0, 10],
        yRange: [0, 1],
      },
    );
    const line = elementsOf(plot).find(({ name }) => name === 'polyline');
    assert.equal(line?.attributes.points, '56.0,256.0 546.0,34.0');
    assert.ok(plot.includes('T &amp; U'));
  });

  it('leaves out what is not finite, and names several curves in a legend', () => {
    const plot = linePlot(
      [
        {
          name: 'a',
          points: [
            [0, 1],
            [1, NaN],
            [2, Infinity],
            [3, 2],
          ],
        },
        { name: 'b', points: [] },
        {
          name: 'pale',
          points: [
            [0, 1],
            [3, 2],
          ],
          faint: true,
        },
      ],
      { title: '', xLabel: '' },
    );
    const [first] = elementsOf(plot).filter(({ name }) => name === 'polyline');
    assert.equal(first?.attributes.points?.split(' ').length, 2);
    assert.ok(!plot.includes('NaN') && plot.includes('>b<') && !plot.includes('pale'));
  });

  it('has ticks at round numbers', () => {
    assert.deepEqual(ticks(0, 1), [0, 0.2, 0.4, 0.6, 0.8, 1]);
    assert.deepEqual(ticks(0, 12, 6), [0, 2, 4, 6, 8, 10, 12]);
    assert.deepEqual(ticks(3, 3), [3]);
  });

  it('thins by means and smooths without a pull of the first value', () => {
    const points = Array.from({ length: 1000 }, (_, i) => [i, i] as const);
    const few = thinned(points, 10);
    assert.deepEqual([few.length, few[0]], [10, [49.5, 49.5]]);
    const flat = smoothed(points.map(([x]) => [x, 3] as const));
    assert.ok(flat.every(([, y]) => Math.abs(y - 3) < 1e-12));
    const steps = smoothed(
      [
        [0, 0],
        [1, 1],
      ],
      1,
    );
    assert.ok(Math.abs((steps[1]?.[1] ?? 0) - 1 / (1 + Math.exp(-1))) < 1e-12);
  });
});

describe('confusion table', () => {
  it('has a row and a column for nothing', () => {
    const table = confusionTable(['a', 'b'], [8, 2, 0, 0, 5, 5, 1, 0, 0]);
    assert.match(table, /<th>a<\/th>.*>8<.*>2<.*>0</);
    assert.ok(table.includes('title="a detected as b: 20.0 %"'));
    assert.ok(table.includes('missed') && table.includes('false detections'));
  });

  it('shows the classes that are confused most where there are many', () => {
    const names = Array.from({ length: 30 }, (_, i) => `c${i}`);
    const matrix = new Array<number>(31 * 31).fill(0);
    matrix[29 * 31] = 4;
    const table = confusionTable(names, matrix);
    assert.ok(table.includes('>c29<') && table.includes('>c0<') && !table.includes('>c28<'));
    assert.ok(table.includes('10 classes with fewer errors are left out'));
  });
});

describe('numbers in reports', () => {
  it('are short', () => {
    assert.deepEqual(
      [0, 0.5, 12.3456, 1234567, 0.00012].map((value) => short(value)),
      ['0', '0.5', '12.35', '1.2e6', '1.2e-4'],
    );
    assert.deepEqual([percent(0.8714), percent(-1), percent(undefined)], ['87.1', '–', '–']);
    assert.deepEqual([5, 65, 3725].map(duration), ['5 s', '1 min 5 s', '1 h 2 min']);
    assert.equal(escape('a<b>&"'), 'a&lt;b&gt;&amp;&quot;');
  });
});
