/** Writes a trained detector as the weights that ship: `npx tsx examples/everyday-detector/export.ts run/best.pt weights.safetensors`. */
import { Detector } from 'torchdet';

async function main([from, to]: readonly string[]): Promise<void> {
  if (from === undefined || to === undefined) throw new Error('Name an archive and a new file.');
  await using detector = await Detector.load(from, { device: 'cpu' });
  await detector.save(to, { half: true });
}

void main(process.argv.slice(2));
