import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Command, CommanderError } from 'commander';
import { TorchdetError, type ErrorCode } from '../errors';
import { calibrateCommand } from './calibrate';
import { dataCommands } from './data';
import { detectCommand } from './detect';
import { doctorCommand } from './doctor';
import { evalCommand } from './eval';
import { installLibtorchCommand } from './install-libtorch';
import { launchCommand } from './launch';
import { modelsCommand } from './models';
import { trainCommand } from './train';
import { UsageError } from './usage-error';

const usageCodes: readonly ErrorCode[] = [
  'ERR_INVALID_ARGUMENT',
  'ERR_MODEL_UNKNOWN',
  'ERR_OPTION_UNKNOWN',
  'ERR_OPTION_VALUE',
];

const examples = `
Examples:
  torchdet detect photo.jpg --out drawn/    find people, cars, cats, … in a photo, and draw them
  torchdet detect photos/ --json            results for another program
  torchdet data check photos/               whether a data set is fit to train on
  torchdet train --data photos/ --out run/  train a detector on it
  torchdet eval --data photos/ --model run/best.pt
  torchdet models                           what else there is to detect with
  torchdet doctor                           what is installed, and what is not right

Exit code: 0; 1 where something failed; 2 for wrong usage.`;

function version(): string {
  // lib/cli and dist/cli are equally deep.
  const file = join(__dirname, '../../package.json');
  return (JSON.parse(readFileSync(file, 'utf8')) as { version: string }).version;
}

function createProgram(finish: (code: number) => void): Command {
  const program = new Command('torchdet')
    .description("torchvision's object detection, on the command line")
    .version(version(), '-v, --version', 'print the version')
    .helpOption('-h, --help', 'print help')
    .helpCommand('help [command]', 'print help for a command')
    .addHelpText('after', examples);
  const commands = [
    detectCommand(finish),
    dataCommands(finish),
    trainCommand(finish),
    evalCommand(finish),
    calibrateCommand(finish),
    launchCommand(finish),
    modelsCommand(),
    doctorCommand(),
    installLibtorchCommand(),
  ];
  for (const command of commands) program.addCommand(command);
  for (const command of [program, ...commands.flatMap((one) => [one, ...one.commands])]) {
    command.exitOverride().showHelpAfterError('(--help tells more)');
  }
  return program;
}

/** Prints what went wrong and says with which code to exit. */
function failure(error: unknown): number {
  // Commander has printed its message itself. Help that was asked for and the version come this way too.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
  if (error instanceof UsageError) {
    process.stderr.write(`error: ${error.message}\n`);
    return 2;
  }
  if (error instanceof TorchdetError) {
    process.stderr.write(`error: ${error.message} (${error.code})\n`);
    return usageCodes.includes(error.code) ? 2 : 1;
  }
  // Not foreseen: the stack helps whoever is to mend it.
  const shown = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.stderr.write(`error: ${shown}\n`);
  return 1;
}

/**
 * The command line of torchdet.
 *
 * @param argv - Arguments without the program's own name: `process.argv.slice(2)`.
 * @returns The exit code: 0, 1 where something failed, 2 for wrong usage, 130 after Ctrl-C. Nothing in here exits the
 *   process: output that is still being written reaches its reader.
 */
export async function main(argv: string[]): Promise<number> {
  let code: number | undefined;
  const program = createProgram((finished) => {
    code = finished;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
  } catch (error) {
    return failure(error);
  }
  return code ?? Number(process.exitCode ?? 0);
}
