import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { Detector, fasterRcnn, mobileNetFpn } from '../../lib';
import type { FasterRcnnOptions, RawImage } from '../../lib';

export const ROOT = resolve(__dirname, '..', '..');
export const PHOTO = join(ROOT, 'examples', 'astronaut.jpg');

/** A detector small enough to be made in every test: random weights, images brought to 96 pixels. */
export function tinySpec(options: Partial<FasterRcnnOptions> = {}) {
  return fasterRcnn({
    backbone: mobileNetFpn('mobilenet_v3_small', { outChannels: 16, norm: 'batch' }),
    numClasses: 3,
    minSize: 96,
    maxSize: 160,
    boxHead: { kind: 'twoMlp', representationSize: 16 },
    ...options,
  });
}

export function tinyDetector(options: Partial<FasterRcnnOptions> = {}): Promise<Detector> {
  return Detector.create(tinySpec(options), { device: 'cpu' });
}

/** Pixels with structure, so that features differ from place to place. */
export function pixels(width: number, height: number) {
  const data = new Uint8Array(width * height * 3);
  for (let i = 0; i < data.length; i++) data[i] = (i * 31 + ((i * i) >> 7)) % 256;
  return { data, width, height, channels: 3 as const };
}

export interface Ended {
  readonly code: number | null;
  readonly signal: string | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a script against the compiled library in a process of its own, to see how that process ends. */
export function runScript(
  script: string,
  options: { timeout?: number; env?: Record<string, string> } = {},
): Promise<Ended> {
  const prelude = `const torchdet = require(${JSON.stringify(join(ROOT, 'dist'))});\n`;
  const args = ['--expose-gc', '-e', prelude + script];
  return new Promise((settle) => {
    const child = execFile(
      process.execPath,
      args,
      {
        timeout: options.timeout ?? 60_000,
        cwd: ROOT,
        env: { ...process.env, ...options.env },
      },
      (_error, stdout, stderr) => {
        settle({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
      },
    );
  });
}

/** A folder that is gone after the test. */
export class TemporaryFolder {
  readonly path = mkdtempSync(join(tmpdir(), 'torchdet-test-'));

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

/** Made pixels that differ from seed to seed. */
export function picture(width: number, height: number, seed: number): RawImage {
  const data = Uint8Array.from(
    { length: width * height * 3 },
    (_, i) => (i * 7 + seed * 31 + Math.floor(i / 97) * 13) % 256,
  );
  return { data, width, height, channels: 3 };
}
