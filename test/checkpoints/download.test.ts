import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import {
  createServer,
  type IncomingMessage,
  request as httpRequest,
  type RequestListener,
  type Server,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { downloadFile } from '../../lib/checkpoints/download';
import type { TorchdetError } from '../../lib/errors';

const content = randomBytes(1_500_000);
const digest = createHash('sha256').update(content).digest('hex');
const proxyVariables = [
  'http_proxy',
  'HTTP_PROXY',
  'https_proxy',
  'HTTPS_PROXY',
  'no_proxy',
  'NO_PROXY',
];

describe('downloadFile', () => {
  let folder: string;
  let servers: Server[];
  let requests: IncomingMessage[];
  let environment: Record<string, string | undefined>;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'torchdet-download-'));
    servers = [];
    requests = [];
    environment = Object.fromEntries(proxyVariables.map((name) => [name, process.env[name]]));
    for (const name of proxyVariables) Reflect.deleteProperty(process.env, name);
  });

  afterEach(() => {
    for (const server of servers) {
      server.closeAllConnections();
      server.close();
    }
    for (const [name, value] of Object.entries(environment)) {
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    }
    rmSync(folder, { recursive: true });
  });

  async function serve(listener: RequestListener): Promise<string> {
    const server = createServer((request, response) => {
      requests.push(request);
      listener(request, response);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  /** A file server that knows ranges; `cutAfter` breaks the first connection after that many bytes. */
  function files(
    options: { cutAfter?: number; etag?: string; body?: () => Buffer } = {},
  ): RequestListener {
    let cut = options.cutAfter;
    return (request, response) => {
      const body = options.body?.() ?? content;
      const etag = options.etag ?? `"${createHash('md5').update(body).digest('hex')}"`;
      const range = /^bytes=(\d+)-$/.exec(request.headers.range ?? '');
      const ifRange = request.headers['if-range'];
      const start = range && (ifRange === undefined || ifRange === etag) ? Number(range[1]) : 0;
      response.setHeader('etag', etag);
      response.setHeader('content-length', body.length - start);
      if (start > 0) {
        response.setHeader('content-range', `bytes ${start}-${body.length - 1}/${body.length}`);
      }
      response.writeHead(start > 0 ? 206 : 200);
      if (cut === undefined) {
        response.end(body.subarray(start));
        return;
      }
      const end = start + cut;
      cut = undefined;
      response.write(body.subarray(start, end), () => setTimeout(() => response.destroy(), 50));
    };
  }

  const quick = { retryDelay: 10 };

  it('stores the file, reports progress and leaves nothing else behind', async () => {
    const base = await serve(files());
    const progress: [number, number | undefined][] = [];
    const destination = join(folder, 'deep', 'model.pth');
    const result = await downloadFile(`${base}/model.pth`, destination, {
      sha256: digest.toUpperCase(),
      sha256Prefix: digest.slice(0, 8),
      onProgress: (received, total) => progress.push([received, total]),
    });
    assert.equal(result, destination);
    assert.ok(readFileSync(destination).equals(content));
    assert.deepEqual(progress[0], [0, content.length]);
    assert.deepEqual(progress.at(-1), [content.length, content.length]);
    assert.ok(progress.every(([received], i) => i === 0 || received > (progress[i - 1]?.[0] ?? 0)));
    for (const rest of ['.part', '.part.json', '.lock'])
      assert.ok(!existsSync(destination + rest), rest);
  });

  it('resumes where a broken connection stopped', async () => {
    const base = await serve(files({ cutAfter: 600_000 }));
    const destination = join(folder, 'model.pth');
    await downloadFile(`${base}/model.pth`, destination, { ...quick, sha256: digest });
    assert.ok(readFileSync(destination).equals(content));
    assert.equal(requests.length, 2);
    assert.equal(requests[1]?.headers.range, 'bytes=600000-');
  });

  it('resumes what an aborted call left', async () => {
    const base = await serve(files({ cutAfter: 600_000 }));
    const destination = join(folder, 'model.pth');
    const controller = new AbortController();
    const reason = new Error('enough');
    await assert.rejects(
      downloadFile(`${base}/model.pth`, destination, {
        signal: controller.signal,
        onProgress: (received) => {
          if (received >= 300_000) controller.abort(reason);
        },
      }),
      (error) => error === reason,
    );
    const part = statSync(`${destination}.part`).size;
    assert.ok(part >= 300_000 && !existsSync(destination) && !existsSync(`${destination}.lock`));
    await downloadFile(`${base}/model.pth`, destination, { sha256: digest });
    assert.equal(requests[1]?.headers.range, `bytes=${part}-`);
    assert.ok(readFileSync(destination).equals(content));
  });

  it('starts anew where the file on the server has changed', async () => {
    let body = randomBytes(1_000_000);
    const listener = files({ cutAfter: 600_000, body: () => body });
    const base = await serve((request, response) => {
      listener(request, response);
      body = content;
    });
    const destination = join(folder, 'model.pth');
    await downloadFile(`${base}/model.pth`, destination, { ...quick, sha256: digest });
    assert.ok(readFileSync(destination).equals(content));
  });

  it('starts anew where a server ignores If-Range and sends a part of another file', async () => {
    let body = randomBytes(content.length);
    const listener = files({ cutAfter: 600_000, body: () => body });
    const base = await serve((request, response) => {
      delete request.headers['if-range'];
      listener(request, response);
      body = content;
    });
    const destination = join(folder, 'model.pth');
    await downloadFile(`${base}/model.pth`, destination, { ...quick, sha256: digest });
    assert.ok(readFileSync(destination).equals(content));
    assert.equal(requests.length, 3);
  });

  it('discards content with another hash and says which', async () => {
    const base = await serve(files());
    const destination = join(folder, 'model-00000000.pth');
    await assert.rejects(
      downloadFile(`${base}/model.pth`, destination, { sha256Prefix: '00000000' }),
      (error: TorchdetError) => {
        assert.equal(error.code, 'ERR_CHECKSUM');
        assert.ok(error.message.includes(digest) && error.message.includes('00000000'));
        assert.ok(error.message.includes(destination), 'says where to put it by hand');
        return true;
      },
    );
    assert.ok(!existsSync(destination) && !existsSync(`${destination}.part`));
  });

  it('fetches a damaged resumed file once more from the start', async () => {
    const base = await serve(files());
    const destination = join(folder, 'model.pth');
    const url = `${base}/model.pth`;
    const etag = `"${createHash('md5').update(content).digest('hex')}"`;
    writeFileSync(`${destination}.part`, Buffer.alloc(1000));
    writeFileSync(`${destination}.part.json`, JSON.stringify({ url, etag, total: content.length }));
    await downloadFile(url, destination, { sha256: digest });
    assert.ok(readFileSync(destination).equals(content));
    assert.deepEqual(
      requests.map((request) => request.headers.range),
      ['bytes=1000-', undefined],
    );
  });

  it('keeps a file that is there already, and replaces one with the wrong hash', async () => {
    const base = await serve(files());
    const destination = join(folder, 'model.pth');
    writeFileSync(destination, content);
    await downloadFile(`${base}/model.pth`, destination, { sha256: digest });
    assert.equal(requests.length, 0);
    writeFileSync(destination, 'broken');
    await downloadFile(`${base}/model.pth`, destination, { sha256: digest });
    assert.ok(readFileSync(destination).equals(content));
  });

  it('follows redirects', async () => {
    const target = await serve(files());
    const base = await serve((_, response) => {
      response.writeHead(302, { location: `${target}/elsewhere` }).end();
    });
    const destination = join(folder, 'model.pth');
    await downloadFile(`${base}/model.pth`, destination, { sha256: digest });
    assert.equal(requests.at(-1)?.url, '/elsewhere');
  });

  it('reports a missing file without trying again', async () => {
    const base = await serve((_, response) => response.writeHead(404).end('no'));
    const destination = join(folder, 'model.pth');
    await assert.rejects(
      downloadFile(`${base}/model.pth`, destination, { hint: 'Ask Ada.' }),
      (error: TorchdetError) => {
        assert.equal(error.code, 'ERR_DOWNLOAD');
        assert.match(error.message, /no such file \(status 404\)\. Ask Ada\.$/);
        return true;
      },
    );
    assert.equal(requests.length, 1);
  });

  it('tries a busy server again, but not for ever', async () => {
    let busy = 2;
    const fileServer = files();
    const base = await serve((request, response) => {
      if (busy-- > 0) response.writeHead(503).end();
      else fileServer(request, response);
    });
    await downloadFile(`${base}/model.pth`, join(folder, 'model.pth'), quick);
    assert.equal(requests.length, 3);
    busy = 100;
    await assert.rejects(
      downloadFile(`${base}/model.pth`, join(folder, 'other.pth'), { ...quick, retries: 2 }),
      /in trouble \(status 503\)/,
    );
    assert.equal(requests.length, 6);
  });

  it('says what is wrong with the network', async () => {
    const base = await serve(files());
    const port = Number(new URL(base).port);
    servers[0]?.close();
    await assert.rejects(downloadFile(base, join(folder, 'a')), /connection was refused/);
    await assert.rejects(
      downloadFile('http://torchdet.invalid/x', join(folder, 'a')),
      /torchdet\.invalid could not be resolved/,
    );
    process.env.HTTP_PROXY = `http://user:secret@127.0.0.1:${port}`;
    await assert.rejects(
      downloadFile('http://torchdet.invalid/x', join(folder, 'a')),
      (error: Error) => {
        assert.match(
          error.message,
          new RegExp(`refused.*HTTP_PROXY names 127\\.0\\.0\\.1:${port}`),
        );
        assert.ok(!error.message.includes('secret'));
        return true;
      },
    );
  });

  for (const name of ['HTTP_PROXY', 'http_proxy']) {
    it(`goes through the proxy of ${name}, unless NO_PROXY excludes the host`, async () => {
      const target = await serve(files());
      const proxied: string[] = [];
      const proxy = await serve((request, response) => {
        proxied.push(request.url ?? '');
        const { port } = new URL(target);
        httpRequest({ host: '127.0.0.1', port, path: '/', headers: request.headers }, (answer) => {
          response.writeHead(answer.statusCode ?? 500, answer.headers);
          answer.pipe(response);
        }).end();
      });
      process.env[name] = proxy;
      const url = `${target}/model.pth`;
      await downloadFile(url, join(folder, 'a.pth'), { sha256: digest });
      assert.deepEqual(proxied, [url]);
      process.env.NO_PROXY = '127.0.0.1';
      await downloadFile(url, join(folder, 'b.pth'), { sha256: digest });
      assert.equal(proxied.length, 1);
    });
  }

  it('lets a second caller wait and use the first one’s file', async () => {
    const base = await serve(files());
    const destination = join(folder, 'model.pth');
    await Promise.all(
      [1, 2, 3].map(() => downloadFile(`${base}/model.pth`, destination, { sha256: digest })),
    );
    assert.equal(requests.length, 1);
  });

  it('refuses what is not a URL or a hash', async () => {
    const destination = join(folder, 'x');
    await assert.rejects(downloadFile('ftp://host/x', destination), {
      code: 'ERR_INVALID_ARGUMENT',
    });
    await assert.rejects(downloadFile('http://host/x', destination, { sha256: 'abc' }), {
      code: 'ERR_OPTION_VALUE',
    });
    await assert.rejects(
      downloadFile('http://host/x', destination, { sha265: digest } as object),
      /Did you mean "sha256"\?/,
    );
  });

  it('says that the folder cannot be used', async () => {
    writeFileSync(join(folder, 'file'), '');
    await assert.rejects(downloadFile('http://host/x', join(folder, 'file', 'x')), {
      code: 'ERR_DOWNLOAD',
    });
  });
});
