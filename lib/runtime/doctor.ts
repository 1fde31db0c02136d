import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { addonPath, loaderPath, PACKAGE_ROOT } from './addons';
import { cacheDirectory } from './cache-dir';
import { defaultThreads } from './cores';
import { findLibtorch, INSTALL_COMMAND } from './libtorch';
import { folderState, nvidiaDriver, processor, resources } from './machine';
import {
  checkPlatform,
  currentPlatform,
  glibcVersion,
  hasNvidiaDriver,
  MINIMUM_GLIBC,
} from './platform';
import { probe } from './probe';

/** One line of the report. */
export interface Check {
  readonly name: string;
  /** `failed`: torchdet does not run. `warning`: it runs, with something to know. */
  readonly status: 'ok' | 'warning' | 'failed';
  /** What was seen, and for a failure what to do. */
  readonly detail: string;
}

export interface DoctorReport {
  /** Whether torchdet runs here: no check failed. */
  readonly ok: boolean;
  readonly checks: readonly Check[];
}

/**
 * Examines this machine: platform, resources, where LibTorch was looked for and found, and whether it and the addon load and
 * compute, which is tried in a child process. Changes nothing but making the cache folder, and never throws for what it finds.
 */
export async function examine(options: { env?: NodeJS.ProcessEnv } = {}): Promise<DoctorReport> {
  const env = options.env ?? process.env;
  const checks: Check[] = [
    versionCheck(),
    nodeCheck(),
    platformCheck(),
    processorCheck(),
    resourceCheck(env),
    await cacheCheck(cacheDirectory(env)),
    libtorchCheck(env),
    addonCheck(),
    gpuCheck(env),
  ];
  const failed = new Set(
    checks.filter(({ status }) => status === 'failed').map(({ name }) => name),
  );
  // Without the addon the loader can still show whether LibTorch itself loads.
  if (!failed.has('platform') && !failed.has('LibTorch') && loaderPath() !== undefined) {
    for (const { name, ok, detail } of await probe({ env })) {
      checks.push({ name, status: ok ? 'ok' : 'failed', detail });
    }
  }
  return { ok: checks.every(({ status }) => status !== 'failed'), checks };
}

function versionCheck(): Check {
  const text = readFileSync(join(PACKAGE_ROOT, 'package.json'), 'utf8');
  const { version } = JSON.parse(text) as { version: string };
  return { name: 'torchdet', status: 'ok', detail: `${version} in ${PACKAGE_ROOT}` };
}

function nodeCheck(): Check {
  const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
  const right = major > 20 || (major === 20 && minor >= 19);
  const detail = `${process.versions.node}${right ? '' : '; torchdet needs 20.19 or newer'}`;
  return { name: 'Node', status: right ? 'ok' : 'failed', detail };
}

function platformCheck(): Check {
  const name = 'platform';
  const { os, arch } = currentPlatform();
  try {
    checkPlatform();
  } catch (error) {
    return { name, status: 'failed', detail: messageOf(error) };
  }
  const glibc = glibcVersion();
  const detail = `${os} ${arch}, glibc ${glibc ?? 'of unknown version'}`;
  if (glibc !== undefined && isOlder(glibc, MINIMUM_GLIBC)) {
    return {
      name,
      status: 'failed',
      detail: `${detail}; LibTorch needs ${MINIMUM_GLIBC} or newer`,
    };
  }
  return { name, status: 'ok', detail };
}

function processorCheck(): Check {
  const { model, features } = processor();
  const fast = features.includes('avx2');
  return {
    name: 'processor',
    status: fast ? 'ok' : 'warning',
    detail: `${model}: ${features.join(', ') || 'no vector instructions'}${fast ? '' : '; without AVX2 detection is slow'}`,
  };
}

function resourceCheck(env: NodeJS.ProcessEnv): Check {
  const { cores, hostCores, cpuQuota, memory } = resources();
  const parts = [
    `${String(cores)} of ${String(hostCores)} cores`,
    ...(cpuQuota === undefined ? [] : [`a quota of ${cpuQuota.toFixed(1)} cores`]),
    `${gigabytes(memory)} of memory`,
    `${String(defaultThreads({ env }))} threads unless setThreads() says otherwise`,
  ];
  return { name: 'resources', status: 'ok', detail: parts.join(', ') };
}

async function cacheCheck(folder: string): Promise<Check> {
  const { writable, free } = await folderState(folder);
  const name = 'cache folder';
  if (!writable) {
    const detail = `${folder} cannot be written to; set TORCHDET_CACHE to a folder that can`;
    return { name, status: 'warning', detail };
  }
  const scarce = free < 2.5e9;
  return {
    name,
    status: scarce ? 'warning' : 'ok',
    detail: `${folder}, ${gigabytes(free)} free${scarce ? '; installing LibTorch takes 2.5 GB' : ''}`,
  };
}

function libtorchCheck(env: NodeJS.ProcessEnv): Check {
  const name = 'LibTorch';
  try {
    const { root, version, flavour, source } = findLibtorch({ env });
    return { name, status: 'ok', detail: `${version} (${flavour}) from the ${source}: ${root}` };
  } catch (error) {
    return { name, status: 'failed', detail: messageOf(error) };
  }
}

function addonCheck(): Check {
  const name = 'native addon';
  const paths = [addonPath(), loaderPath()];
  const built = paths.filter((path) => path !== undefined);
  if (built.length === paths.length) return { name, status: 'ok', detail: built.join(' and ') };
  return {
    name,
    status: 'failed',
    detail: `not in ${PACKAGE_ROOT}: run "npm run build:native" in a checkout, install the package again elsewhere`,
  };
}

/** A GPU beside a CPU build is worth a word: people wonder why it idles. */
function gpuCheck(env: NodeJS.ProcessEnv): Check {
  const name = 'NVIDIA driver';
  const present = hasNvidiaDriver(env);
  if (!present) return { name, status: 'ok', detail: 'none in use; detection runs on the CPU' };
  const detail = nvidiaDriver() ?? 'present';
  let flavour: string | undefined;
  try {
    flavour = findLibtorch({ env }).flavour;
  } catch {
    // Reported by the check for LibTorch.
  }
  if (flavour !== 'cpu') return { name, status: 'ok', detail };
  const hint = `${detail}; this LibTorch is a CPU build: "${INSTALL_COMMAND} --flavour cu130" makes use of the GPU`;
  return { name, status: 'warning', detail: hint };
}

function isOlder(version: string, minimum: string): boolean {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const [leastMajor = 0, leastMinor = 0] = minimum.split('.').map(Number);
  return major < leastMajor || (major === leastMajor && minor < leastMinor);
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
