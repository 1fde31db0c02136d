import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

import { readCheckpoint } from '../../lib/checkpoints/read-checkpoint';
import { readSafetensors } from '../../lib/checkpoints/safetensors';
import { sniffCheckpoint } from '../../lib/checkpoints/sniff';
import { TorchdetError } from '../../lib/errors';
import { assertExpected, expectedFiles, fixtures, testData } from './fixtures';

describe('readCheckpoint', () => {
  for (const file of expectedFiles) {
    it(`reads ${file} as torch does`, async () => {
      const { tensors } = await readCheckpoint(join(fixtures, file));
      assertExpected(file, tensors);
    });
  }

  it('reads from memory at an odd address', async () => {
    for (const file of ['zip-2.pt', 'legacy.pt', 'plain.safetensors']) {
      const bytes = readFileSync(join(fixtures, file));
      const odd = Buffer.concat([Buffer.alloc(1), bytes]).subarray(1);
      assertExpected(file, (await readCheckpoint(odd)).tensors);
    }
  });

  it('makes views, not copies, of contiguous tensors', async () => {
    const bytes = readFileSync(join(fixtures, 'zip-2.pt'));
    const file = Buffer.from(new Uint8Array(bytes).buffer);
    const { tensors } = await readCheckpoint(file);
    for (const name of ['float32', 'row', 'int64', 'tied_a', 'parameter']) {
      assert.equal(tensors.get(name)?.data.buffer, file.buffer, name);
    }
    assert.equal(tensors.get('tied_a')?.data.byteOffset, tensors.get('tied_b')?.data.byteOffset);
    assert.notEqual(tensors.get('transposed')?.data.buffer, file.buffer);
  });

  it('finds the state dict and says where', async () => {
    const read = async (file: string): Promise<Record<string, string>> =>
      (await readCheckpoint(join(fixtures, file))).metadata;
    assert.deepEqual(await read('module.pt'), { format: 'zip-pickle', source: '' });
    assert.deepEqual(await read('training-legacy.pt'), {
      format: 'legacy-pickle',
      source: 'model',
      otherSources: 'model_ema',
    });
    assert.deepEqual(await read('wrapped.pt'), {
      format: 'zip-pickle',
      source: 'state_dict',
      strippedPrefix: 'module._orig_mod.',
    });
    assert.deepEqual(await read('data-parallel.pt'), {
      format: 'zip-pickle',
      source: 'net',
      strippedPrefix: 'module.',
    });
    assert.deepEqual(await read('plain.safetensors'), { format: 'safetensors', made: 'by hand' });
  });

  it('takes another part of the file when asked', async () => {
    const file = join(fixtures, 'training.pt');
    const { tensors, metadata } = await readCheckpoint(file, { source: 'model_ema' });
    assert.equal(metadata.source, 'model_ema');
    assert.deepEqual(tensors.get('conv.weight')?.shape, [2, 1, 1, 1]);
    await assert.rejects(readCheckpoint(file, { source: 'ema' }), {
      code: 'ERR_CHECKPOINT_FORMAT',
      message: /no tensors under "ema"; they are under "model", "model_ema"/,
    });
  });

  it('keeps the versions of the modules', async () => {
    for (const file of ['module.pt', 'data-parallel.pt']) {
      const { versions } = await readCheckpoint(join(fixtures, file));
      assert.equal(versions?.get('bn'), 2, file);
      assert.equal(versions.get('conv'), 1, file);
    }
  });

  it('reads a file put together by hand', async () => {
    const { tensors } = await readCheckpoint(join(fixtures, 'handmade-legacy.pt'));
    const data = tensors.get('weight')?.data ?? assert.fail();
    assert.deepEqual([...new Float32Array(data.slice().buffer)], [1, 2, 3, 4]);
  });

  it('says what it reads where it is given something else', async () => {
    const path = join(fixtures, 'plain.safetensors');
    const cases: readonly [unknown, RegExp][] = [
      [undefined, /a file's path, or its bytes in a Buffer, got undefined/],
      [5, /got 5\./],
      [pathToFileURL(path), /got an object of class URL; fileURLToPath/],
      [new Uint8Array(readFileSync(path)), /class Uint8Array; Buffer\.from/],
    ];
    for (const [source, message] of cases) {
      const wrong = { code: 'ERR_INVALID_ARGUMENT', message };
      await assert.rejects(readCheckpoint(source as string), wrong);
      assert.throws(() => readSafetensors(source as string), wrong);
    }
    await assert.rejects(readCheckpoint(path, null as unknown as object), {
      code: 'ERR_INVALID_ARGUMENT',
    });
  });

  it('says what a file is that is no checkpoint', async () => {
    const cases: [string, string | Buffer, RegExp][] = [
      ['TorchScript', join(fixtures, 'scripted.pt'), /TorchScript archive.*Detector\.load/],
      ['empty', Buffer.alloc(0), /empty/],
      ['html', Buffer.from('<!DOCTYPE html><title>login</title>'), /web page/],
      ['lfs', Buffer.from('version https://git-lfs.github.com/spec/v1\n'), /git lfs pull/],
      ['text', Buffer.from('hello, world'), /neither a file of torch\.save nor safetensors\.$/],
      ['pickle', join(fixtures, 'hostile/unsafe-bare.pkl'), /not like one of torch\.save/],
      ['zip', join(fixtures, 'hostile/format-not-torch.zip'), /without a data\.pkl/],
    ];
    for (const [what, source, message] of cases) {
      await assert.rejects(
        readCheckpoint(source),
        { code: 'ERR_CHECKPOINT_FORMAT', message },
        what,
      );
    }
    await assert.rejects(readCheckpoint(join(fixtures, 'nowhere.pt')), {
      code: 'ERR_FILE',
      message: /nowhere\.pt.*no such file/,
    });
    await assert.rejects(readCheckpoint(fixtures), { code: 'ERR_FILE' });
  });
});

describe('sniffCheckpoint', () => {
  const kinds: Record<string, string> = {
    'zip-5.pt': 'zip-pickle',
    'zip64.pt': 'zip-pickle',
    'legacy.pt': 'legacy-pickle',
    'legacy-protocol-4.pt': 'legacy-pickle',
    'plain.safetensors': 'safetensors',
    'scripted.pt': 'torchscript',
    'expected.json': 'unknown',
    'hostile/format-not-torch.zip': 'unknown',
  };
  for (const [file, kind] of Object.entries(kinds)) {
    it(`recognises ${file}, on disk and in memory`, async () => {
      assert.equal(await sniffCheckpoint(join(fixtures, file)), kind);
      assert.equal(await sniffCheckpoint(readFileSync(join(fixtures, file))), kind);
    });
  }
});

describe('published and real checkpoints', () => {
  const files: [string, string, string, number, string][] = [
    ['mobilenet_v2_imagenet.pth', 'zip-pickle', '', 314, 'features.0.0.weight'],
    ['legacy_pickle_nested.pth', 'legacy-pickle', 'net', 152, 'features.0.weight'],
    ['squeezenet1_0_zip.pth', 'zip-pickle', '', 52, 'features.0.weight'],
  ];
  const hashes: Record<string, string> = {
    'mobilenet_v2_imagenet.pth': '5005fdfadf35c212',
    'legacy_pickle_nested.pth': 'f447aba85d82272e',
    'squeezenet1_0_zip.pth': '5166fd0e70e0c8a8',
  };
  for (const [file, format, source, count, first] of files) {
    it(`reads ${file}`, async function () {
      const path = join(testData, 'weights', file);
      if (!existsSync(path)) {
        console.log(`      ${path} is not there`);
        this.skip();
      }
      const { tensors, metadata } = await readCheckpoint(path);
      assert.equal(metadata.format, format);
      assert.equal(metadata.source, source);
      assert.equal(tensors.size, count);
      assert.equal([...tensors.keys()][0], first);
      // All bytes in the order of the names, as torch.load gives them.
      const hash = createHash('sha256');
      for (const name of [...tensors.keys()].sort()) {
        hash.update(name).update(tensors.get(name)?.data ?? '');
      }
      assert.equal(hash.digest('hex').slice(0, 16), hashes[file]);
    });
  }
});

describe('hostile checkpoints', () => {
  const hostile = join(fixtures, 'hostile');
  const witness = '/tmp/torchdet-was-executed';

  it('are many', () => {
    assert.ok(readdirSync(hostile).length > 55);
  });

  for (const file of readdirSync(hostile)) {
    const code =
      file.startsWith('unsafe-') && file.endsWith('.pt')
        ? 'ERR_CHECKPOINT_UNSAFE'
        : 'ERR_CHECKPOINT_FORMAT';
    it(`refuses ${file} with ${code}`, async () => {
      const start = performance.now();
      await assert.rejects(readCheckpoint(join(hostile, file)), (error: TorchdetError) => {
        assert.equal(error.code, code, error.message);
        assert.ok(error.message.startsWith(join(hostile, file)), 'names the file');
        if (code === 'ERR_CHECKPOINT_UNSAFE') assert.match(error.message, /Nothing was executed/);
        return true;
      });
      assert.ok(performance.now() - start < 2000, 'quickly');
      assert.ok(!existsSync(witness), 'nothing ran');
    });
  }

  it('names what was to be called', async () => {
    await assert.rejects(readCheckpoint(join(hostile, 'unsafe-system.pt')), /"posix\.system"/);
    await assert.rejects(readCheckpoint(join(hostile, 'unsafe-eval.pt')), /"__builtin__\.eval"/);
    await assert.rejects(
      readCheckpoint(join(hostile, 'unsafe-model.pt')),
      /Linear".*state_dict\(\)/,
    );
  });
});

describe('damaged checkpoints', () => {
  async function settles(bytes: Buffer, what: string): Promise<boolean> {
    try {
      await readCheckpoint(bytes);
      return true;
    } catch (error) {
      assert.ok(error instanceof TorchdetError, `${what}: ${String((error as Error).stack)}`);
      assert.match(error.code, /^ERR_CHECKPOINT_/, what);
      return false;
    }
  }

  for (const file of [
    'zip-2.pt',
    'zip64.pt',
    'legacy.pt',
    'legacy-protocol-4.pt',
    'plain.safetensors',
  ]) {
    it(`refuses ${file} cut off anywhere`, async () => {
      const bytes = readFileSync(join(fixtures, file));
      for (let length = 0; length < bytes.length; length += 13) {
        assert.equal(await settles(bytes.subarray(0, length), `${length} bytes`), false);
      }
    });

    it(`settles on ${file} with any byte changed`, async () => {
      const bytes = readFileSync(join(fixtures, file));
      let seed = 7;
      for (let i = 0; i < 600; i++) {
        seed = (seed * 1103515245 + 12345) % 2 ** 31;
        const at = seed % bytes.length;
        const changed = Buffer.from(bytes);
        changed[at] = (changed[at] ?? 0) ^ (1 << ((seed >> 16) % 8));
        await settles(changed, `byte ${at}`);
      }
    });
  }
});
