import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { main } from '../../lib/cli/main';
import { launch } from '../../lib/distributed/launch';

/** The first process writes what it is told to a file: its output is the launcher's. */
const script = `
const fs = require('node:fs');
const { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT } = process.env;
const place = { RANK, WORLD_SIZE, LOCAL_RANK, LOCAL_WORLD_SIZE, MASTER_ADDR, MASTER_PORT };
const [what, folder] = process.argv.slice(2);
const keep = () => setInterval(() => {}, 1000);
if (what === 'place') fs.writeFileSync(folder + '/' + RANK, JSON.stringify(place));
if (what === 'talk' && RANK !== '0') process.stdout.write('one\\ntwo of ' + RANK + '\\nlast');
if (what === 'fail' && RANK === '0') keep();
if (what === 'fail' && RANK === '1') process.exitCode = 3;
if (what === 'fail' && RANK === '2') { process.on('SIGTERM', () => {}); keep(); }
`;

describe('torchdet launch', () => {
  let folder = '';
  let file = '';
  const lines: string[] = [];
  const options = {
    processes: 2,
    machines: 1,
    machine: 0,
    masterAddress: '127.0.0.1',
    grace: 0.3,
    print: (line: string) => lines.push(line),
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchdet-launch-'));
    file = join(folder, 'script.cjs');
    writeFileSync(file, script);
    lines.length = 0;
  });
  afterEach(() => {
    rmSync(folder, { recursive: true });
  });

  const placeOf = (rank: number) =>
    JSON.parse(readFileSync(join(folder, String(rank)), 'utf8')) as Record<string, string>;

  it('tells each process its place', async () => {
    assert.equal(await main(['launch', '--nproc', '2', '--', file, 'place', folder]), 0);
    const { MASTER_PORT, ...place } = placeOf(1);
    assert.deepEqual(place, {
      RANK: '1',
      WORLD_SIZE: '2',
      LOCAL_RANK: '1',
      LOCAL_WORLD_SIZE: '2',
      MASTER_ADDR: '127.0.0.1',
    });
    assert.ok(Number(MASTER_PORT) > 1023);
    assert.equal(placeOf(0).MASTER_PORT, MASTER_PORT);
  });

  it('numbers the processes of several machines', async () => {
    const second = { ...options, machines: 2, machine: 1, masterPort: 29500 };
    assert.deepEqual(await launch(process.execPath, [file, 'place', folder], second), []);
    const { RANK, WORLD_SIZE, LOCAL_RANK, MASTER_PORT } = placeOf(3);
    assert.deepEqual([RANK, WORLD_SIZE, LOCAL_RANK, MASTER_PORT], ['3', '4', '1', '29500']);
  });

  it('prints whole lines of all but the first', async () => {
    await launch(process.execPath, [file, 'talk'], { ...options, processes: 3 });
    for (const rank of [1, 2]) {
      const own = lines.filter((line) => line.startsWith(`[rank ${rank}] `));
      assert.deepEqual(
        own.map((line) => line.slice(9)),
        ['one', `two of ${rank}`, 'last'],
      );
    }
  });

  it('ends all where one fails, in the end by force', async () => {
    const failures = await launch(process.execPath, [file, 'fail'], { ...options, processes: 3 });
    assert.deepEqual(
      failures.map(({ rank, code, signal }) => [rank, code, signal]),
      [
        [1, 3, null],
        [0, 143, 'SIGTERM'],
        [2, 137, 'SIGKILL'],
      ],
    );
  });

  const wrong: readonly (readonly string[])[] = [
    ['--', 'train'],
    ['--nproc', '0', '--', 'train'],
    ['--nproc', '2'],
    ['--nproc', '2', '--', 'not-there.mjs'],
    ['--nproc', '2', '--nnodes', '2', '--', 'train'],
    ['--nproc', '2', '--node-rank', '1', '--', 'train'],
  ];
  for (const words of wrong) {
    it(`exits with 2: ${words.join(' ')}`, async () => {
      assert.equal(await main(['launch', ...words]), 2);
    });
  }
});
