/** Turns the command line into one call of one verb, and whatever comes of it into an exit code. */
import { readFileSync } from 'node:fs';
import { FibricError, messageOf } from '@fibric/sdk';
import { Command, CommanderError, InvalidArgumentError } from 'commander';
import { type Call, EXIT, type ExitCode, exitCodeOf, type Io } from './call.ts';
import { printable } from './print.ts';
import { GROUPS, OPTIONS, VERBS, type Verb } from './verbs.ts';

/** Runs `fibric <argv>`. Never throws. */
export async function runProgram(argv: readonly string[], io: Io): Promise<ExitCode> {
  let code: ExitCode = EXIT.done;
  const program = buildProgram(io, async (verb, call) => {
    code = await verb.run(call);
  });
  try {
    await program.parseAsync([...argv], { from: 'user' });
    return code;
  } catch (error) {
    return explain(error, io);
  }
}

/** The commander program: every verb of the table under its group. */
export function buildProgram(io: Io, act: (verb: Verb, call: Call) => Promise<void>): Command {
  const program = configured(new Command('fibric'), io)
    .description('Fibric Edge: an on-site gateway whose operators propose and whose executor disposes.')
    .version(version())
    .addHelpText('after', EXIT_HELP);
  const groups = new Map<string, Command>();
  for (const verb of VERBS) {
    const [first = '', second] = verb.name.split(' ');
    const parent = second === undefined ? program : groupOf(program, groups, first, io);
    const command = configured(parent.command(second ?? first), io)
      .summary(verb.summary)
      .description(verb.summary);
    if (verb.args) command.arguments(verb.args);
    for (const name of verb.options) addOption(command, name);
    command.action(async () => {
      await act(verb, { args: command.args, options: command.opts(), io });
    });
  }
  return program;
}

const EXIT_HELP = `
Exit codes: 0 done, 1 failed, 2 usage or invalid configuration, 3 refused by policy, 4 not found,
            5 gateway not reachable, 6 verification failed, 7 proved in part`;

function groupOf(program: Command, groups: Map<string, Command>, name: string, io: Io): Command {
  const known = groups.get(name);
  if (known) return known;
  const group = configured(program.command(name), io).description(GROUPS[name] ?? '');
  groups.set(name, group);
  return group;
}

function configured(command: Command, io: Io): Command {
  const ended = (text: string): string => text.replace(/\n$/, '');
  return command
    .exitOverride()
    .configureOutput({ writeOut: (text) => io.out(ended(text)), writeErr: (text) => io.err(ended(text)) })
    .showHelpAfterError('(--help shows what there is)');
}

/** Options that are a whole number from 1. */
const WHOLE: ReadonlySet<string> = new Set(['limit', 'from', 'to', 'counter', 'action']);

function addOption(command: Command, name: Verb['options'][number]): void {
  const [flags, help] = OPTIONS[name];
  if (WHOLE.has(name)) command.option(flags, help, positive);
  else if (name === 'value') command.option(flags, help, decimal);
  else if (name === 'arg') command.option(flags, help, gathered);
  else command.option(flags, help);
}

function positive(text: string): number {
  if (!/^[1-9]\d{0,8}$/.test(text)) throw new InvalidArgumentError('expected a whole number from 1.');
  return Number(text);
}

function gathered(text: string, before: readonly string[] | undefined): readonly string[] {
  return [...(before ?? []), text];
}

function decimal(text: string): number {
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw new InvalidArgumentError('expected a number.');
  return Number(text);
}

function version(): string {
  const manifest: unknown = JSON.parse(readFileSync(new URL('./package.json', import.meta.url), 'utf8'));
  return String((manifest as { version?: unknown }).version);
}

/** What went wrong and what to do next, on stderr. */
function explain(error: unknown, io: Io): ExitCode {
  if (error instanceof CommanderError) {
    // Help and version were asked for; everything else is a command line that makes no sense.
    return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  }
  io.err(`fibric: ${printable(messageOf(error))}`);
  if (!(error instanceof FibricError)) return EXIT.failed;
  io.err(`  ${error.next}`);
  return exitCodeOf(error.code);
}
