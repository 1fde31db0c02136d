import { Command } from 'commander';
import { TorchdetError } from '../errors';
import { installLibtorch, type InstallLibtorchOptions } from '../runtime/install';
import { installReporter } from '../runtime/install-progress';
import { LIBTORCH_VERSION } from '../runtime/libtorch';

type Flags = Pick<InstallLibtorchOptions, 'from' | 'flavour' | 'sha256' | 'force'>;

const HELP = `
Sources (--from):
  auto           the official archive; pip where its host does not answer (default)
  official       the official archive
  pip            Python wheels, with pip's own configuration (index, proxy, certificates)
  <url>          a zip or wheel on a server of yours
  <file>         a zip or wheel brought here by other means
  <folder>       an unpacked LibTorch or a torch folder; it is used where it stands

LibTorch goes into torchdet's cache folder, which TORCHDET_CACHE moves elsewhere.
Downloads honour HTTPS_PROXY and NO_PROXY and are resumed where they broke off.`;

/** `torchdet install-libtorch`: exit code 1 where it fails, 2 where an option is wrong, 130 after Ctrl-C. */
export function installLibtorchCommand(): Command {
  return new Command('install-libtorch')
    .description(`install LibTorch ${LIBTORCH_VERSION} into torchdet's cache`)
    .option('--from <source>', 'where to take it from', 'auto')
    .option('--flavour <flavour>', 'cpu, or a CUDA build such as cu130', 'cpu')
    .option('--sha256 <hex>', 'SHA-256 the archive must have')
    .option('--force', 'replace an installation that is there')
    .addHelpText('after', HELP)
    .action(async (flags: Flags) => {
      process.exitCode = await run(flags);
    });
}

async function run(flags: Flags): Promise<number> {
  const reporter = installReporter();
  // Ctrl-C stops pip and the download and clears up; a second one ends the process.
  const controller = new AbortController();
  const stop = () => {
    controller.abort(new Error('interrupted'));
  };
  process.once('SIGINT', stop);
  try {
    const { version, flavour, root } = await installLibtorch({
      ...flags,
      log: reporter.log,
      onProgress: reporter.onProgress,
      terminal: reporter.terminal,
      signal: controller.signal,
    });
    reporter.finish();
    console.log(`LibTorch ${version} (${flavour}) is ready in ${root}`);
    return 0;
  } catch (error) {
    reporter.finish();
    if (controller.signal.aborted) {
      console.error('interrupted; a download that was begun is resumed by the next attempt');
      return 130;
    }
    console.error(`error: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof TorchdetError && error.code === 'ERR_OPTION_VALUE' ? 2 : 1;
  } finally {
    process.off('SIGINT', stop);
  }
}
