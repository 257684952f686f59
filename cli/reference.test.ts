import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type Call, EXIT, type Io } from './call.ts';
import { buildProgram, runProgram } from './program.ts';
import { cliReference } from './reference.ts';
import { GROUPS, VERBS } from './verbs.ts';

function recorder(): { io: Io; out: string[]; err: string[] } {
  const out: string[] = [];
  const err: string[] = [];
  const io: Io = {
    out: (line) => void out.push(line),
    err: (line) => void err.push(line),
    color: false,
    cwd: '/',
    variable: () => undefined,
    sleep: async () => undefined,
  };
  return { io, out, err };
}

test('docs/CLI.md is what the table of verbs says', () => {
  const file = join(import.meta.dirname, '..', 'docs', 'CLI.md');
  expect(readFileSync(file, 'utf8')).toBe(cliReference());
});

test('every verb stands in a described group, reaches the program under its name and has help', async () => {
  for (const verb of VERBS) {
    const [group = '', second] = verb.name.split(' ');
    if (second !== undefined) expect(GROUPS[group]).toBeTypeOf('string');
    const { io, out } = recorder();
    expect(await runProgram([...verb.name.split(' '), '--help'], io)).toBe(EXIT.done);
    expect(out.join('\n')).toContain(`Usage: fibric ${verb.name} `);
  }
});

test('arguments and options arrive at the verb as they were given', async () => {
  const calls: { name: string; args: Call['args']; options: Call['options'] }[] = [];
  const program = buildProgram(recorder().io, async (verb, { args, options }) => {
    calls.push({ name: verb.name, args, options });
  });
  await program.parseAsync(['points', 'read', 'a/b', 'c/d', '--json', '--data', '/x'], { from: 'user' });
  expect(calls).toEqual([{ name: 'points read', args: ['a/b', 'c/d'], options: { json: true, data: '/x' } }]);
});
