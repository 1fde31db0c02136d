import { main } from '../../lib/cli/main';

export interface Finished {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line in this process, for what needs none of its own, and gives what it prints. */
export async function runHere(...args: string[]): Promise<Finished> {
  const printed = { stdout: '', stderr: '' };
  const writes = (['stdout', 'stderr'] as const).map((name) => {
    const stream = process[name];
    const write = stream.write.bind(stream);
    stream.write = (text: string | Uint8Array) => {
      printed[name] += text.toString();
      return true;
    };
    return () => {
      stream.write = write;
    };
  });
  try {
    return { code: await main(args), ...printed };
  } finally {
    for (const restore of writes) restore();
  }
}
