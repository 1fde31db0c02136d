import assert from 'node:assert/strict';
import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findImages, formatOfName, planOutputs } from '../../lib/cli/find-images';

describe('findImages', () => {
  let root: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'torchdet-find-')));
    await mkdir(join(root, 'a', 'deep'), { recursive: true });
    await mkdir(join(root, 'empty'));
    const files = [
      'a/10.jpg',
      'a/9.JPEG',
      'a/notes.txt',
      'a/.hidden.png',
      'a/deep/x.webp',
      'odd[1].png',
      'blob',
    ];
    await Promise.all(files.map((file) => writeFile(join(root, file), '')));
  });

  after(() => rm(root, { recursive: true }));

  const at = (...names: string[]) => names.map((name) => join(root, name));

  it('takes files as they are, whatever their names', async () => {
    const inputs = at('blob', 'odd[1].png', 'a/notes.txt');
    assert.deepEqual(await findImages(inputs), { files: inputs, missing: [] });
  });

  it('searches folders for images, by number and not inside', async () => {
    const { files } = await findImages(at('a'));
    assert.deepEqual(files, at('a/9.JPEG', 'a/10.jpg'));
  });

  it('follows patterns into folders', async () => {
    const { files } = await findImages(at('**/*.{webp,jpg}'));
    assert.deepEqual(files, at('a/10.jpg', 'a/deep/x.webp'));
    assert.deepEqual((await findImages(at('a/*'))).files, at('a/9.JPEG', 'a/10.jpg'));
  });

  it('names each file once', async () => {
    const { files } = await findImages([
      ...at('a/10.jpg', 'a', 'a/*.jpg'),
      `${root}/a/../a/10.jpg`,
    ]);
    assert.deepEqual(files, at('a/10.jpg', 'a/9.JPEG'));
  });

  it('says what is missing and finds the rest', async () => {
    const { files, missing } = await findImages(at('nothing.jpg', 'empty', '*.avif', 'blob'));
    assert.deepEqual(files, at('blob'));
    assert.deepEqual(
      missing.map(({ reason }) => reason),
      ['no such file or folder', 'the folder holds no images', 'no image matches the pattern'],
    );
  });
});

describe('planOutputs', () => {
  let root: string;

  before(async () => {
    root = await realpath(await mkdtemp(join(tmpdir(), 'torchdet-plan-')));
    await mkdir(join(root, 'in'));
    await mkdir(join(root, 'out'));
    await Promise.all(
      ['in/a.jpg', 'in/b.png', 'out/c.jpg'].map((file) => writeFile(join(root, file), '')),
    );
    await symlink(join(root, 'in/b.png'), join(root, 'out/b.png'));
    await symlink(join(root, 'in'), join(root, 'link'));
  });

  after(() => rm(root, { recursive: true }));

  it('keeps names, and numbers those taken', async () => {
    const files = ['x/photo.jpg', 'y/photo.jpg', 'z/PHOTO.JPG', 'w/photo.png'];
    assert.deepEqual(await planOutputs(files, 'out'), [
      'out/photo.jpg',
      'out/photo-2.jpg',
      'out/PHOTO-3.JPG',
      'out/photo.png',
    ]);
  });

  it('never writes over an input, also not through a link', async () => {
    const a = join(root, 'in/a.jpg');
    const b = join(root, 'in/b.png');
    assert.deepEqual(await planOutputs([a], join(root, 'in')), [join(root, 'in/a-2.jpg')]);
    assert.deepEqual(await planOutputs([a], join(root, 'link')), [join(root, 'link/a-2.jpg')]);
    assert.deepEqual(await planOutputs([b], join(root, 'out')), [join(root, 'out/b-2.png')]);
  });

  it('writes over what an earlier run left', async () => {
    const out = join(root, 'out');
    assert.deepEqual(await planOutputs([join(root, 'in/c.jpg')], out), [join(out, 'c.jpg')]);
  });

  it('gives names without an image extension one', async () => {
    assert.deepEqual(await planOutputs(['blob', 'x.dat'], 'o'), ['o/blob.jpg', 'o/x.dat.jpg']);
    assert.equal(formatOfName('A.TIF'), 'tiff');
    assert.equal(formatOfName('a.bmp'), undefined);
  });
});
