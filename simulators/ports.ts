/** Where a simulated world listens, all on 127.0.0.1. */

export interface Ports {
  readonly mqtt: number;
  readonly modbus: number;
  readonly opcua: number;
  readonly bookings: number;
  readonly upstream: number;
  /** The gateway's local API. */
  readonly api: number;
}

/** Ports that a newcomer can type. */
export const USUAL_PORTS: Ports = {
  mqtt: 18830,
  modbus: 15020,
  opcua: 14840,
  bookings: 18090,
  upstream: 18091,
  api: 8480,
};

const NAMES: Readonly<Record<keyof Ports, string>> = {
  mqtt: 'MQTT',
  modbus: 'Modbus TCP',
  opcua: 'OPC UA',
  bookings: 'the booking system',
  upstream: 'the upstream receiver',
  api: "the gateway's API",
};

/** Six ports in a row from `base`; 0 lets the system choose. */
export function portsFrom(base: number): Ports {
  const at = (offset: number): number => (base === 0 ? 0 : base + offset);
  return { mqtt: at(0), modbus: at(1), opcua: at(2), bookings: at(3), upstream: at(4), api: at(5) };
}

/** A port that another program has. */
export class PortTaken extends Error {
  override readonly name = 'PortTaken';

  constructor(which: keyof Ports, port: number) {
    super(
      `port ${port}, meant for ${NAMES[which]}, is taken by another program: stop it, ` +
        'or start with --port-base 30000 to use 30000 and the five after it, or with --port-base 0 to use free ones',
    );
  }
}

/** Starts something that listens, and says which port it was when that is taken. */
export async function listening<T>(which: keyof Ports, port: number, start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    if (error instanceof Error && /EADDRINUSE/.test(`${(error as NodeJS.ErrnoException).code} ${error.message}`)) {
      throw new PortTaken(which, port);
    }
    throw error;
  }
}
