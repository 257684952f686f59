/** What a verb gets and what it gives back. */
import { type ErrorCode, FibricError } from '@fibric/sdk';

/** The exit codes of the command: closed, and stable for scripts. */
export const EXIT = {
  done: 0,
  failed: 1,
  usage: 2,
  refused: 3,
  not_found: 4,
  not_reachable: 5,
  tampered: 6,
  incomplete: 7,
} as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const BY_ERROR: Partial<Record<ErrorCode, ExitCode>> = {
  config_invalid: EXIT.usage,
  config_unreadable: EXIT.usage,
  policy_invalid: EXIT.usage,
  policy_rollback: EXIT.usage,
  invalid_parameter: EXIT.usage,
  forbidden: EXIT.refused,
  approval_expired: EXIT.refused,
  plan_hash_mismatch: EXIT.refused,
  too_late: EXIT.refused,
  invalid_cursor: EXIT.usage,
  not_found: EXIT.not_found,
  not_reachable: EXIT.not_reachable,
  tampered: EXIT.tampered,
};

export function exitCodeOf(code: ErrorCode): ExitCode {
  return BY_ERROR[code] ?? EXIT.failed;
}

/** The terminal and the environment, as verbs see them. */
export interface Io {
  /** One line of the result. */
  out(line: string): void;
  /** One line of everything else. */
  err(line: string): void;
  /** True on a terminal that wants it. */
  readonly color: boolean;
  readonly cwd: string;
  variable(name: string): string | undefined;
  sleep(ms: number): Promise<void>;
}

export interface Call {
  readonly args: readonly string[];
  readonly options: {
    readonly data?: string;
    readonly json?: boolean;
    readonly limit?: number;
    readonly operator?: string;
    readonly type?: string;
    readonly as?: string;
    readonly release?: boolean;
    readonly clear?: boolean;
    readonly reason?: string;
    readonly applied?: boolean;
    readonly notApplied?: boolean;
    readonly site?: string;
    readonly since?: string;
    readonly key?: string;
    readonly counter?: number;
    readonly value?: number;
    readonly arg?: readonly string[];
    readonly trust?: string;
    readonly from?: number;
    readonly to?: number;
    readonly deadline?: string;
    readonly waiting?: boolean;
    readonly action?: number;
    readonly basis?: string;
  };
  readonly io: Io;
}

export type Run = (call: Call) => Promise<ExitCode>;

/** `name=value` as it was typed; the gateway knows which is a number. */
export function argumentsOf(words: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(
    words.map((word) => {
      const [, name, value] = /^(\w+)=(.*)$/s.exec(word) ?? [];
      if (name === undefined || value === undefined)
        throw new FibricError('invalid_parameter', `--arg ${word}: expected name=value`);
      return [name, value];
    }),
  );
}

/** The person in whose name something is done. */
export function person({ options }: Call): string {
  if (options.as === undefined)
    throw new FibricError('invalid_parameter', 'this is done in the name of a person: --as <who>');
  return options.as;
}
