/** Finding the machine where the processes of a run meet, and this machine's address as it is seen from there. */
import { createSocket } from 'node:dgram';
import { lookup } from 'node:dns/promises';
import { once } from 'node:events';
import { connect } from 'node:net';
import { networkInterfaces } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { TorchdetError } from '../errors';

/** A numeric address. */
export interface Address {
  readonly address: string;
  readonly family: 4 | 6;
}

/** @throws TorchdetError ERR_PROCESS_GROUP where nobody has that name */
export async function resolveMaster(name: string): Promise<Address> {
  try {
    const { address, family } = await lookup(name);
    return { address, family: family === 6 ? 6 : 4 };
  } catch (cause) {
    throw new TorchdetError(
      'ERR_PROCESS_GROUP',
      `MASTER_ADDR: no machine called ${JSON.stringify(name)} is known here.`,
      { cause },
    );
  }
}

/**
 * The address of this machine that its packets to `master` carry: loopback where that is this machine by a loopback address, the
 * network's otherwise. GLOO_SOCKET_IFNAME names a network interface instead.
 *
 * @throws TorchdetError ERR_OPTION_VALUE where that is none, ERR_PROCESS_GROUP where no way leads to `master`
 */
export async function localAddress(
  master: Address,
  port: number,
  interfaceName: string | undefined,
): Promise<string> {
  if (interfaceName !== undefined && interfaceName !== '') {
    const addresses = networkInterfaces()[interfaceName] ?? [];
    const found = addresses.find(({ family }) => family === `IPv${master.family}`);
    if (found) return found.address;
    throw new TorchdetError(
      'ERR_OPTION_VALUE',
      `GLOO_SOCKET_IFNAME: ${JSON.stringify(interfaceName)} is no network interface with an IPv${master.family} address; ` +
        `there are ${Object.keys(networkInterfaces()).join(', ')}.`,
    );
  }
  const socket = createSocket(`udp${master.family}`);
  try {
    // Connecting a datagram socket sends nothing: it only chooses the way.
    const connected = once(socket, 'connect');
    socket.connect(port, master.address);
    await connected;
    return socket.address().address;
  } catch (cause) {
    throw new TorchdetError('ERR_PROCESS_GROUP', `No way leads to ${master.address}.`, { cause });
  } finally {
    socket.close();
  }
}

async function answers({ address }: Address, port: number, limit: number): Promise<boolean> {
  const socket = connect({ host: address, port, timeout: limit });
  try {
    await Promise.race([
      once(socket, 'connect'),
      once(socket, 'timeout').then(() => Promise.reject(new Error('timeout'))),
    ]);
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * Waits until something listens there.
 *
 * @throws TorchdetError ERR_PROCESS_GROUP after `timeout` milliseconds; the signal's reason
 */
export async function waitForMaster(
  master: Address,
  port: number,
  timeout: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const end = performance.now() + timeout;
  while (!(await answers(master, port, Math.max(1, Math.min(5000, end - performance.now()))))) {
    signal?.throwIfAborted();
    if (performance.now() >= end) {
      throw new TorchdetError(
        'ERR_PROCESS_GROUP',
        `Nobody answers at MASTER_ADDR:MASTER_PORT ${master.address}:${port} after ${timeout / 1000} seconds. Does rank 0 run there?`,
      );
    }
    await sleep(100, undefined, signal && { signal }).catch((error: unknown) => {
      // Node's timers reject with an AbortError, whatever the reason is.
      signal?.throwIfAborted();
      throw error;
    });
  }
}
