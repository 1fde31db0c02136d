import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { crc32, deflateRawSync } from 'node:zlib';
import { addonPath, loaderPath } from '../../lib/runtime/addons';
import { findLibtorch } from '../../lib/runtime/libtorch';

/** A folder that is removed when the test that made it is over; call from within describe. */
export function temporaryFolders(): (name?: string) => string {
  const made: string[] = [];
  afterEach(() => {
    for (const folder of made.splice(0)) rmSync(folder, { recursive: true, force: true });
  });
  return (name = 'runtime') => {
    const folder = realpathSync(mkdtempSync(join(tmpdir(), `torchdet-${name}-`)));
    made.push(folder);
    return folder;
  };
}

/** Skips what is in the describe where LibTorch or one of the addons is not there. */
export function needsAddon(): void {
  before(function () {
    try {
      findLibtorch();
    } catch {
      this.skip();
    }
    if (!addonPath() || !loaderPath()) this.skip();
  });
}

/** The files of a LibTorch as far as finding it goes; its libtorch_cpu.so is a text. */
export function fakeFiles(version: string | undefined, kind: 'archive' | 'wheel' = 'wheel') {
  const files: Record<string, string> = {
    'lib/libc10.so': 'not a library',
    'lib/libtorch_cpu.so': 'not a library either',
    'include/torch/script.h': '// nothing',
  };
  if (version?.includes('+cu')) files['lib/libtorch_cuda.so'] = 'nor this';
  if (version && kind === 'archive') files['build-version'] = `${version}\n`;
  if (version && kind === 'wheel') {
    files['version.py'] =
      `from typing import Optional\n__version__ = '${version}'\ndebug = False\n`;
  }
  return files;
}

export function writeFiles(folder: string, files: Record<string, string>): string {
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

export interface ZipEntry {
  name: string;
  data: string | Buffer;
  /** Unix mode; a link is 0o120777 with its target as data. */
  mode?: number;
  /** A wrong checksum, for damaged archives. */
  crc?: number;
}

/** A deflated zip file of these entries. */
export function zipOf(entries: readonly ZipEntry[]): Buffer {
  const locals: Buffer[] = [];
  const centrals: Buffer[] = [];
  let offset = 0;
  for (const { name, data, mode = 0o100644, crc } of entries) {
    const bytes = Buffer.from(data);
    const packed = deflateRawSync(bytes);
    const common = Buffer.alloc(26);
    common.writeUInt16LE(20, 0);
    common.writeUInt16LE(8, 4);
    common.writeUInt32LE(crc ?? crc32(bytes), 10);
    common.writeUInt32LE(packed.length, 14);
    common.writeUInt32LE(bytes.length, 18);
    common.writeUInt16LE(Buffer.byteLength(name), 22);
    const local = Buffer.concat([Buffer.from('PK\x03\x04'), common, Buffer.from(name), packed]);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE((mode << 16) >>> 0, 6);
    tail.writeUInt32LE(offset, 10);
    // "Made by" Unix, version 3.0: only then do readers look at the mode.
    const made = Buffer.from([30, 3]);
    centrals.push(
      Buffer.concat([Buffer.from('PK\x01\x02'), made, common, tail, Buffer.from(name)]),
    );
    locals.push(local);
    offset += local.length;
  }
  const directory = Buffer.concat(centrals);
  const end = Buffer.alloc(18);
  end.writeUInt16LE(entries.length, 4);
  end.writeUInt16LE(entries.length, 6);
  end.writeUInt32LE(directory.length, 8);
  end.writeUInt32LE(offset, 12);
  return Buffer.concat([...locals, directory, Buffer.from('PK\x05\x06'), end]);
}

/** An archive of a fake LibTorch as the official ones are: everything in libtorch/. */
export function fakeArchive(version: string): Buffer {
  const files = Object.entries(fakeFiles(version, 'archive'));
  return zipOf(files.map(([name, data]) => ({ name: `libtorch/${name}`, data })));
}

export function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Runs `body` with a server on 127.0.0.1. */
export async function withServer(
  listener: RequestListener,
  body: (url: string) => Promise<void>,
): Promise<void> {
  const server = createServer(listener);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    await body(`http://127.0.0.1:${String((server.address() as AddressInfo).port)}`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Runs a TypeScript-aware Node on a line of CommonJS in a process of its own. */
export function runProgram(
  program: string,
  env: NodeJS.ProcessEnv = process.env,
): Promise<{ code: number | null; stdout: string; stderr: string }> {
  const tsx = createRequire(__filename).resolve('tsx/cjs');
  const child = spawn(process.execPath, ['--require', tsx, '--eval', program], { env });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((done) => {
    child.on('close', (code) => {
      done({ code, stdout, stderr });
    });
  });
}
