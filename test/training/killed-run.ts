/** A process that is killed in the middle of a run: node -r tsx/cjs killed-run.ts <folder> <step>. */
import { Trainer } from '../../lib';
import { oneThread, tinyRun } from './trainer-helpers';

async function main([folder = '', step = ''] = process.argv.slice(2)): Promise<void> {
  oneThread.begin();
  const options = await tinyRun(folder, 'killed', { ema: true, checkpointMinutes: 0 });
  const trainer = await Trainer.create(options);
  for await (const told of trainer.run()) {
    if (told.step === Number(step)) process.kill(process.pid, 'SIGKILL');
  }
}

void main();
