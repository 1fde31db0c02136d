/** A confusion matrix as a coloured table. */
import { escape } from './html';

/** Larger matrices are shown with the classes that are confused most. */
const mostClasses = 20;

/** Places of the classes to show, the rarest confusions left out where there are too many. */
function shownPlaces(matrix: readonly number[], count: number): number[] {
  const side = count + 1;
  const errors = Array.from({ length: count }, (_, k) => {
    let sum = 0;
    for (let other = 0; other < side; other++) {
      if (other === k) continue;
      sum += (matrix[k * side + other] ?? 0) + (matrix[other * side + k] ?? 0);
    }
    return { k, sum };
  });
  if (count > mostClasses) errors.sort((a, b) => b.sum - a.sum).splice(mostClasses);
  return errors.map(({ k }) => k).sort((a, b) => a - b);
}

/**
 * @param names of the classes
 * @param matrix (C + 1) x (C + 1) counts, row by row: rows are what is there, columns what was detected; the last of each is nothing
 */
export function confusionTable(names: readonly string[], matrix: readonly number[]): string {
  const side = names.length + 1;
  const places = [...shownPlaces(matrix, names.length), names.length];
  const label = (k: number, nothing: string) => escape(names[k] ?? nothing);
  const head = places.map((k) => `<th>${label(k, 'missed')}</th>`).join('');
  const rows = places.map((row) => {
    const all = matrix.slice(row * side, (row + 1) * side);
    const total = all.reduce((sum, count) => sum + count, 0);
    const counts = places.map((column) => all[column] ?? 0);
    const cells = counts.map((count, i) => {
      const column = places[i] ?? 0;
      if (row === names.length && column === names.length) return '<td></td>';
      const share = total === 0 ? 0 : count / total;
      const colour = row === column ? '0,114,178' : '213,94,0';
      const strong = share > 0.5 ? ' class="strong"' : '';
      const style = `style="background:rgba(${colour},${(0.9 * share).toFixed(2)})"`;
      const title = `title="${label(row, 'nothing')} detected as ${label(column, 'nothing')}: ${(100 * share).toFixed(1)} %"`;
      return `<td${strong} ${style} ${title}>${count}</td>`;
    });
    return `<tr><th>${label(row, 'false detections')}</th>${cells.join('')}</tr>`;
  });
  const left = names.length + 1 - places.length;
  const note =
    left > 0 ? `<p class="note">${left} classes with fewer errors are left out.</p>` : '';
  return `<table class="confusion"><thead><tr><th></th>${head}</tr></thead><tbody>${rows.join('')}</tbody></table>${note}`;
}
