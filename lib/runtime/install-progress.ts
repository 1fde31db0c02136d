import { Presets, SingleBar } from 'cli-progress';
import type { InstallProgress } from './install-sources';

/** Shows an installation to a person: bars where the stream is a terminal, else a line for every tenth. */
export interface InstallReporter {
  readonly log: (line: string) => void;
  readonly onProgress: (progress: InstallProgress) => void;
  /** Whether pip may draw its own bars. */
  readonly terminal: boolean;
  /** Ends the bar that is being drawn; call it when the installation is over, failed or not. */
  readonly finish: () => void;
}

const VERBS = { download: 'Downloading', unpack: 'Unpacking' } as const;

/** Writes to `stream`, by default stderr: stdout belongs to results. */
export function installReporter(stream: NodeJS.WriteStream = process.stderr): InstallReporter {
  let bar: SingleBar | undefined;
  let stage: InstallProgress['stage'] | undefined;
  let tenths = 0;

  const finish = () => {
    bar?.stop();
    bar = undefined;
    stage = undefined;
  };

  const draw = ({ done, total }: InstallProgress, begins: boolean) => {
    if (begins) {
      bar = new SingleBar(
        {
          stream,
          format: '  {verb} {bar} {percentage}% | {megabytes} MB',
          hideCursor: true,
          gracefulExit: false,
        },
        Presets.shades_classic,
      );
      // A bar needs an end; where the server does not tell it, the bar stays at its beginning and the megabytes count.
      bar.start(total ?? Number.MAX_SAFE_INTEGER, 0, {
        verb: VERBS[stage ?? 'download'],
        megabytes: 0,
      });
    }
    bar?.update(done, { megabytes: (done / 1e6).toFixed(0) });
  };

  const print = ({ stage, done, total }: InstallProgress, begins: boolean) => {
    if (begins) tenths = 0;
    // Without a total: a line every 100 MB.
    const now = Math.floor(total ? (10 * done) / total : done / 1e8);
    if (now <= tenths) return;
    tenths = now;
    const part = total ? `${String(now * 10)}%` : `${String(now * 100)} MB`;
    stream.write(`  ${VERBS[stage]} ${part}\n`);
  };

  return {
    terminal: stream.isTTY,
    finish,
    log: (line) => {
      finish();
      stream.write(`${line}\n`);
    },
    onProgress: (progress) => {
      const begins = progress.stage !== stage;
      if (begins) finish();
      stage = progress.stage;
      (stream.isTTY ? draw : print)(progress, begins);
    },
  };
}
