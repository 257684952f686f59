/** One simulated site as the start program runs it: what the hotel and the office have in common. */
import type { Clock } from '@fibric/sdk';
import type { GatewayClient } from './gateway-client.ts';
import type { Ports } from './ports.ts';
import type { Records } from './records.ts';

/** Something to try: what it is, where it is, and a command to paste. */
export interface Hint {
  readonly name: string;
  readonly where: string;
  readonly command: string;
}

export interface Show {
  readonly timezone: string;
  /** What is shown, in a few sentences. */
  readonly about: readonly string[];
  readonly hints: readonly Hint[];
  readonly ports: Ports;
  /** Somebody listens to the sensors. */
  readonly heard: boolean;
  /** Opens the world's sockets and writes `<data>/site.yaml`. */
  open(): Promise<void>;
  /** Runs once the gateway is ready; resolves at the end, if the show has one. */
  run(signal: AbortSignal): Promise<'ended' | 'aborted'>;
  /** At the end, while the gateway still runs: looks at what passes away, and waits until nothing is under way. */
  finish(client: GatewayClient): Promise<void>;
  /** After `finish`, when the gateway has stopped: what the show came to, in lines; none if it was not finished. */
  summary(records: Records): Promise<readonly string[]>;
  /** Closes the sockets and remembers what is to be remembered. */
  close(): Promise<void>;
}

/** What every show is given. */
export interface Stage {
  /** Absolute paths of the repository and of the data folder. */
  readonly root: string;
  readonly data: string;
  /** The data folder as the user wrote it, for commands to paste. */
  readonly dataAsTyped: string;
  readonly speed: number;
  readonly ports: Ports;
  readonly real: Clock;
  readonly say: (line: string) => void;
}

/** The start is refused: a sentence for the user. `exitCode` 2: the command line asks for what cannot be. */
export class Refused extends Error {
  override readonly name = 'Refused';
  readonly exitCode: 1 | 2;

  constructor(message: string, exitCode: 1 | 2 = 2) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** Resolves when `signal` aborts. */
export function aborted(signal: AbortSignal): Promise<'aborted'> {
  if (signal.aborted) return Promise.resolve('aborted');
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve('aborted'), { once: true }));
}
