import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { resolve } from 'node:path';
import { cpuQuota, defaultThreads } from '../../lib/runtime/cores';
import { needsAddon, runProgram, temporaryFolders, writeFiles } from './helpers';

describe('cores', () => {
  const folder = temporaryFolders();
  let root: string;
  const put = (files: Record<string, string>) => writeFiles(root, files);

  beforeEach(() => {
    root = folder('cores');
  });

  it('are what the machine has where there is no quota', () => {
    assert.equal(cpuQuota(root), undefined);
    put({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': 'max 100000\n' });
    assert.equal(cpuQuota(root), undefined);
    assert.equal(defaultThreads({ env: {}, root }), availableParallelism());
  });

  it('are as many as a container’s quota pays for, part of one counted as one', () => {
    put({ 'proc/self/cgroup': '0::/\n', 'sys/fs/cgroup/cpu.max': '50000 100000\n' });
    assert.equal(cpuQuota(root), 0.5);
    assert.equal(defaultThreads({ env: {}, root }), 1);
    put({ 'sys/fs/cgroup/cpu.max': '6400000 100000\n' });
    assert.equal(cpuQuota(root), 64);
    assert.equal(defaultThreads({ env: {}, root }), Math.min(64, availableParallelism()));
    put({ 'sys/fs/cgroup/cpu.max': '110000 100000\n' });
    assert.equal(defaultThreads({ env: {}, root }), Math.min(2, availableParallelism()));
  });

  it('are those of the strictest group above the process', () => {
    put({
      'proc/self/cgroup': '0::/system.slice/server.service/worker\n',
      'sys/fs/cgroup/system.slice/cpu.max': '150000 100000\n',
      'sys/fs/cgroup/system.slice/server.service/cpu.max': '400000 100000\n',
      'sys/fs/cgroup/system.slice/server.service/worker/cpu.max': 'max 100000\n',
    });
    assert.equal(cpuQuota(root), 1.5);
  });

  it('are found under the first version of control groups', () => {
    put({
      'proc/self/cgroup': '3:memory:/docker/ab\n2:cpu,cpuacct:/docker/ab\n1:cpuset:/docker/ab\n',
      // In a container the files are at the mount's root, whatever the host calls the group.
      'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '250000\n',
      'sys/fs/cgroup/cpu/cpu.cfs_period_us': '100000\n',
    });
    assert.equal(cpuQuota(root), 2.5);
    put({ 'sys/fs/cgroup/cpu/cpu.cfs_quota_us': '-1\n' });
    assert.equal(cpuQuota(root), undefined);
  });

  it('are what OMP_NUM_THREADS says, if it says a number', () => {
    const threads = (OMP_NUM_THREADS: string) => defaultThreads({ env: { OMP_NUM_THREADS }, root });
    assert.deepEqual([threads('3'), threads('5,2'), threads(' 7 ')], [3, 5, 7]);
    const shared = { env: { OMP_NUM_THREADS: '3' }, root, processes: 2 };
    assert.equal(defaultThreads(shared), 3);
    assert.equal(defaultThreads({ ...shared, env: {}, processes: 1000 }), 1);
    for (const text of ['', '0', 'many', '-2']) assert.equal(threads(text), availableParallelism());
  });

  describe('of a process', () => {
    needsAddon();

    it('have teams as large as OMP_NUM_THREADS says', async () => {
      const library = JSON.stringify(resolve(__dirname, '../../lib/index.ts'));
      const cores = availableParallelism();
      const OMP_NUM_THREADS = String(2 * cores + 3);
      const count = async (first: string) => {
        const program = `
          const { readdirSync } = require('node:fs');
          const { Detector, setThreads } = require(${library});
          ${first}
          const image = { data: new Uint8Array(64 * 48 * 3), width: 64, height: 48, channels: 3 };
          Detector.default({ device: 'cpu' })
            .then((detector) => detector.predict([image]))
            .then(() => console.log(readdirSync('/proc/self/task').length));`;
        const { code, stdout, stderr } = await runProgram(program, {
          ...process.env,
          OMP_NUM_THREADS,
        });
        assert.equal(code, 0, stderr);
        return Number(stdout);
      };
      const team = (await count('')) - (await count('setThreads(1);'));
      // LibTorch keeps a second team, idle: without the variable there would be 2 * (cores - 1) at most.
      assert.ok(team > 2 * cores, String(team));
    });
  });
});
