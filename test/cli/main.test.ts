import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import sharp from 'sharp';
import { writeSafetensors } from '../../lib/checkpoints';
import { decodeImage } from '../../lib/images/decode';
import { findLibtorch } from '../../lib/runtime/libtorch';
import { runHere } from './run-here';

const root = resolve(__dirname, '../..');
const start = `require('./lib/cli/main').main(process.argv.slice(1)).then((c) => { process.exitCode = c })`;

interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs the command line from its sources; `interruptOn` sends Ctrl-C once stderr matches. */
function torchdet(args: string[], interruptOn?: RegExp): Promise<Finished> {
  return new Promise((done, fail) => {
    const child = spawn(process.execPath, ['-r', 'tsx/cjs', '-e', start, '--', ...args], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let stdout = '';
    let stderr = '';
    let interrupted = false;
    child.stdout.on('data', (chunk: Buffer) => (stdout += chunk.toString()));
    child.stderr.on('data', (chunk: Buffer) => {
      stderr += chunk.toString();
      if (interruptOn?.test(stderr) && !interrupted) interrupted = child.kill('SIGINT');
    });
    child.on('error', fail);
    child.on('close', (code) => {
      done({ code, stdout, stderr });
    });
  });
}

describe('torchdet on the command line', () => {
  let checkpoint: string;
  /** Arguments with a checkpoint for three classes, whose path is not known yet. */
  const classes = (names: string, model: string) => [
    'detect',
    'package.json',
    '--model',
    model,
    '--classes',
    names,
    '--weights',
    'CHECKPOINT',
  ];

  before(async () => {
    checkpoint = join(await mkdtemp(join(tmpdir(), 'torchdet-cli-')), 'three.safetensors');
    const bias = { dtype: 'float32', shape: [4], data: new Uint8Array(16) } as const;
    await writeFile(
      checkpoint,
      writeSafetensors([['roi_heads.box_predictor.cls_score.bias', bias]]),
    );
  });

  after(() => rm(dirname(checkpoint), { recursive: true }));

  const usage: [string, string[], RegExp][] = [
    ['an unknown command', ['detekt'], /unknown command 'detekt'/],
    [
      'an unknown option',
      ['detect', 'x.jpg', '--scoer', '1'],
      /unknown option '--scoer'[^]*--score/,
    ],
    ['no files', ['detect'], /missing required argument 'images'/],
    ['no command', [], /Usage: torchdet/],
    ['a score above 1', ['detect', 'x.jpg', '--score', '1.5'], /from 0 to 1/],
    ['an unknown device', ['detect', 'x.jpg', '--device', 'tpu'], /auto, cpu, cuda or cuda:N/],
    ['a bad limit', ['detect', 'x.jpg', '--max-pixels', '-3'], /positive integer/],
    [
      'an unknown model',
      ['detect', 'x.jpg', '--model', 'fasterrcnn_resnet50'],
      /ERR_MODEL_UNKNOWN/,
    ],
    [
      'another number of classes',
      classes('a,b', 'fasterrcnn_resnet50_fpn'),
      /2 names, but .* 3 classes/,
    ],
    ['weights of nothing', ['detect', 'x.jpg', '--weights', 'package.json'], /needs --model/],
  ];
  for (const [name, args, message] of usage) {
    it(`exits with 2 for ${name}`, async () => {
      const { code, stdout, stderr } = await runHere(
        ...args.map((arg) => (arg === 'CHECKPOINT' ? checkpoint : arg)),
      );
      assert.match(stderr, message);
      assert.equal(stdout, '');
      assert.equal(code, 2);
    });
  }

  it('prints its version and help', async () => {
    const { version } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as {
      version: string;
    };
    assert.deepEqual(await runHere('--version'), {
      code: 0,
      stdout: `${version}\n`,
      stderr: '',
    });
    const { code, stdout } = await runHere('--help');
    assert.equal(code, 0);
    for (const command of ['detect', 'models', 'doctor', 'install-libtorch'])
      assert.ok(stdout.includes(command));
    const help = await runHere('detect', '--help');
    assert.equal(help.code, 0);
    assert.match(help.stdout, /Examples:[^]*Exit code/);
  });

  it('lists models', async () => {
    const { code, stdout } = await runHere('models', '--json');
    assert.equal(code, 0);
    const models = JSON.parse(stdout) as { name: string }[];
    assert.ok(models.some(({ name }) => name === 'fasterrcnn_resnet50_fpn'));
    assert.match((await runHere('models')).stdout, /^fasterrcnn_resnet50_fpn /m);
  });

  it('exits with 1 where no input is there', async () => {
    const { code, stdout, stderr } = await runHere('detect', 'gone.jpg', '--json');
    assert.deepEqual([code, stdout], [1, '[]\n']);
    assert.match(stderr, /gone\.jpg: no such file or folder/);
  });
});

describe('torchdet detect, with the detector that ships', () => {
  const photo = join(root, 'examples/astronaut.jpg');
  let folder: string;

  before(async function () {
    try {
      findLibtorch();
    } catch {
      console.log('      skipped: no LibTorch on this machine');
      this.skip();
    }
    assert.ok(existsSync(photo));
    folder = await mkdtemp(join(tmpdir(), 'torchdet-cli-'));
    await writeFile(join(folder, 'bad.jpg'), 'hello');
    await sharp(photo).resize(64).toFile(join(folder, 'small.png'));
  });

  after(async () => {
    if (folder) await rm(folder, { recursive: true });
  });

  it('finds the person of the photo, draws it, and reports the file that failed', async () => {
    const out = join(folder, 'out');
    const { code, stdout, stderr } = await torchdet([
      'detect',
      photo,
      join(folder, 'bad.jpg'),
      '--json',
      '--out',
      out,
    ]);
    assert.equal(code, 1, stderr);
    assert.match(stderr, /bad\.jpg: .*ERR_IMAGE_FORMAT/);
    const images = JSON.parse(stdout) as Record<string, unknown>[];
    assert.equal(images.length, 1);
    assert.deepEqual(Object.keys(images[0] ?? {}), ['image', 'width', 'height', 'detections']);
    const [image] = images as unknown as [
      {
        image: string;
        width: number;
        height: number;
        detections: { box: number[]; label: number; name: string; score: number }[];
      },
    ];
    assert.deepEqual([image.image, image.width, image.height], [photo, 512, 512]);
    const [best] = image.detections;
    assert.ok(best);
    assert.deepEqual(Object.keys(best), ['box', 'label', 'name', 'score']);
    assert.deepEqual([best.label, best.name, best.box.length], [1, 'person', 4]);
    assert.ok(best.score > 0.5, `score ${best.score}`);
    const drawn = await decodeImage(await readFile(join(out, 'astronaut.jpg')));
    assert.deepEqual([drawn.width, drawn.height], [512, 512]);
    const original = await decodeImage(await readFile(photo));
    assert.notDeepEqual(drawn.data, original.data);
  });

  it('prints a table and exits with 0', async () => {
    const { code, stdout } = await torchdet(['detect', photo]);
    assert.equal(code, 0);
    assert.match(stdout, /astronaut\.jpg +person +0\.\d{3}/);
  });

  it('leaves with 130 after Ctrl-C', async () => {
    const many = await mkdtemp(join(folder, 'many-'));
    const bytes = await readFile(photo);
    // The first file fails, and says so when the run is under way.
    await writeFile(join(many, '0.jpg'), 'hello');
    for (let i = 1; i < 400; i++) await writeFile(join(many, `${i}.jpg`), bytes);
    const { code, stdout, stderr } = await torchdet(['detect', many], /0\.jpg/);
    assert.equal(code, 130, stderr);
    assert.equal(stdout, '');
    assert.match(stderr, /interrupted/);
  });
});
