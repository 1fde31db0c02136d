/** Which process of a run this is: the environment variables that torchrun and `torchdet launch` set. */
import { TorchdetError } from '../errors';

/** A process's place among those of its run. */
export interface RunPlace {
  /** 0 to worldSize - 1. */
  readonly rank: number;
  readonly worldSize: number;
  /** Among the processes of this machine. */
  readonly localRank: number;
  readonly localWorldSize: number;
  /** Where rank 0 is: a name or a number. */
  readonly masterAddress: string;
  readonly masterPort: number;
  /** Whether the launcher keeps the store the processes meet at; else rank 0 does. */
  readonly launcherServes: boolean;
  /** Told apart by this, runs may follow each other on one store. */
  readonly attempt: string;
}

type Variables = Readonly<Record<string, string | undefined>>;

function fail(name: string, value: string | undefined, expected: string): never {
  const got = value === undefined ? 'it is not set' : `got ${JSON.stringify(value)}`;
  throw new TorchdetError(
    'ERR_OPTION_VALUE',
    `Environment variable ${name} must be ${expected}, ${got}. torchdet launch sets it.`,
  );
}

function integer(env: Variables, name: string, min: number, max: number, otherwise?: number) {
  const value = env[name];
  if (value === undefined && otherwise !== undefined) return otherwise;
  const number = value !== undefined && /^\d+$/.test(value) ? Number(value) : NaN;
  if (number >= min && number <= max) return number;
  return fail(name, value, max < Infinity ? `an integer from ${min} to ${max}` : 'a whole number');
}

/**
 * The place that the environment names, undefined where the process is alone: RANK and WORLD_SIZE not set, or WORLD_SIZE 1.
 *
 * @throws TorchdetError ERR_OPTION_VALUE naming the variable
 */
export function placeInEnvironment(env: Variables): RunPlace | undefined {
  if (env.RANK === undefined && env.WORLD_SIZE === undefined) return undefined;
  const worldSize = integer(env, 'WORLD_SIZE', 1, 65536);
  const rank = integer(env, 'RANK', 0, worldSize - 1);
  if (worldSize === 1) return undefined;
  const localWorldSize = integer(env, 'LOCAL_WORLD_SIZE', 1, worldSize, worldSize);
  const masterAddress = env.MASTER_ADDR ?? '';
  if (masterAddress === '') {
    fail('MASTER_ADDR', env.MASTER_ADDR, "rank 0's address, for example 127.0.0.1");
  }
  return {
    rank,
    worldSize,
    localRank: integer(env, 'LOCAL_RANK', 0, localWorldSize - 1, rank % localWorldSize),
    localWorldSize,
    masterAddress,
    masterPort: integer(env, 'MASTER_PORT', 1, 65535),
    launcherServes: env.TORCHELASTIC_USE_AGENT_STORE === 'True',
    attempt: env.TORCHELASTIC_RESTART_COUNT ?? '0',
  };
}
