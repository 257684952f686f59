import { duration, LIMITS } from '@fibric/sdk';
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { checkYaml, formatFinding } from './findings.ts';

const trigger = z.union([z.strictObject({ on: z.string() }), z.strictObject({ every: duration })]);
const schema = z.strictObject({
  version: z.literal(1),
  name: z.string().optional(),
  decision: z.enum(['ALLOW', 'ALERT', 'BLOCK']).optional(),
  limits: z
    .record(z.string().regex(/^[a-z.]+$/, 'noun.verb'), z.strictObject({ max_per_run: z.number().min(0) }))
    .optional(),
  open: z.boolean().optional(),
  either: z.union([z.number(), z.boolean()]).optional(),
  trigger: z.union([trigger, z.array(trigger)]).optional(),
  driver: z
    .discriminatedUnion('kind', [
      z.strictObject({ kind: z.literal('mqtt'), topic: z.string() }),
      z.strictObject({ kind: z.literal('modbus'), unit: z.int() }),
    ])
    .optional(),
});

function findings(text: string): readonly string[] {
  const checked = checkYaml(text, 'p.yaml', schema);
  return 'findings' in checked ? checked.findings.map(formatFinding) : [];
}

describe('checkYaml', () => {
  it('returns the value and the place of each part of it', () => {
    const checked = checkYaml('version: 1\nlimits:\n  a.b: { max_per_run: 20 }\n', 'p.yaml', schema);
    if ('findings' in checked) throw new Error(checked.findings.map(formatFinding).join('\n'));
    expect(checked.value).toEqual({ version: 1, limits: { 'a.b': { max_per_run: 20 } } });
    expect(checked.locate(['limits', 'a.b', 'max_per_run'])).toEqual({ line: 3, column: 23 });
    expect(checked.locate(['limits', 'no.such', 'deeper'])).toEqual({ line: 3, column: 3 });
  });

  it('names every finding at once, in the order of the text, with line, column and the word that was meant (row 16)', () => {
    expect(
      findings(
        'version: 2\nnmae: x\ndecision: allow\nlimits:\n  a.b: { max_per_runs: 20 }\n  A: { max_per_run: -1 }\nopen: "no"\n',
      ),
    ).toEqual([
      'p.yaml:1:10 version: expected 1, got 2',
      "p.yaml:2:1 unknown key 'nmae'; did you mean 'name'?",
      "p.yaml:3:11 decision: expected one of ALLOW, ALERT, BLOCK, got 'allow'; did you mean 'ALLOW'?",
      'p.yaml:5:8 limits.a.b.max_per_run: is missing: expected a number',
      "p.yaml:5:10 limits.a.b: unknown key 'max_per_runs'; did you mean 'max_per_run'?",
      "p.yaml:6:3 limits: key 'A': noun.verb",
      "p.yaml:7:7 open: expected true or false, got 'no'",
    ]);
  });

  it('says what a missing or mistyped value should have been', () => {
    expect(findings('{}')).toEqual(['p.yaml:1:1 version: is missing: expected 1']);
    expect(findings('')).toEqual(['p.yaml:1:1 expected a set of keys, got nothing']);
    expect(findings('version: 1\nname:\n')).toEqual(['p.yaml:2:6 name: expected text, got nothing']);
    expect(findings('version: 1\nname: 412\n')).toEqual([
      'p.yaml:2:7 name: expected text, got 412; put it in quotes: "412"',
    ]);
    expect(findings('version: 1\neither: [1]\n')).toEqual([
      'p.yaml:2:9 either: expected a number, or true or false, got a list',
    ]);
  });

  it('speaks of the part of a union that was most nearly met', () => {
    expect(findings('version: 1\ntrigger: { every: 15 }\n')).toEqual([
      'p.yaml:2:19 trigger.every: expected a duration such as 250ms, 5s, 15m, 4h or 2d, got 15',
    ]);
    expect(findings('version: 1\ntrigger: [ { every: 15x } ]\n')).toEqual([
      "p.yaml:2:21 trigger[0].every: expected a duration such as 250ms, 5s, 15m, 4h or 2d, got '15x'",
    ]);
    expect(findings('version: 1\ndriver: { kind: modbuss, unit: 1 }\n')).toEqual([
      "p.yaml:2:17 driver.kind: expected one of mqtt, modbus, got 'modbuss'; did you mean 'modbus'?",
    ]);
    expect(findings('version: 1\ndriver: { kind: modbus, unt: 1, unit: 2 }\n')).toEqual([
      "p.yaml:2:25 driver: unknown key 'unt'; did you mean 'unit'?",
    ]);
  });

  it.each([
    ['anchor and alias', 'version: &one 1\nname: *one\n', 'an anchor (&one) is not accepted'],
    ['unresolved alias', 'version: *one\n', 'an alias (*one) is not accepted'],
    ['merge key', 'version: 1\n<<: { name: x }\n', 'a merge key (<<) is not accepted'],
    ['tag', 'version: !!int 1\n', 'a tag (tag:yaml.org,2002:int) is not accepted'],
    ['tag of another maker', 'version: 1\nname: !exec ls\n', 'a tag (!exec) is not accepted'],
    ['tag on a key', '!!str version: 1\n', 'a key takes no anchor and no tag'],
    ['directive', '%YAML 1.1\n---\nversion: 1\n', 'a %YAML directive is not accepted'],
    ['two documents', 'version: 1\n---\nversion: 1\n', 'more than one document'],
    ['duplicate key', 'version: 1\nversion: 1\n', "the key 'version' stands here twice"],
    ['the same key as number and as text', 'version: 1\nlimits: { 1: 2, "1": 3 }\n', "the key '1' stands here twice"],
    ['key that is not a word', 'version: 1\n? [a]\n: 2\n', 'a key must be a word'],
    ['prototype', 'version: 1\n__proto__: { polluted: true }\n', "the key '__proto__' is not accepted"],
    ['constructor', 'version: 1\nconstructor: 1\n', "the key 'constructor' is not accepted"],
    ['deep nesting', `version: ${'['.repeat(40)}${']'.repeat(40)}`, 'nested deeper than 32'],
    ['very deep nesting', '- '.repeat(20_000), 'nested deeper than 32'],
    ['broken text', 'version: [1\n', 'flow sequence'],
  ])('refuses a YAML trap: %s (row 17)', (_, text, message) => {
    expect(findings(text).join('\n')).toContain(message);
  });

  it('does not expand a bomb of aliases (row 17)', () => {
    const lines = ['a: &a [x, x, x, x, x, x, x, x, x]'];
    for (let i = 1; i < 20; i++) {
      const above = String.fromCharCode(96 + i);
      const here = String.fromCharCode(97 + i);
      lines.push(`${here}: &${here} [${Array.from({ length: 9 }, () => `*${above}`).join(', ')}]`);
    }
    expect(findings(lines.join('\n')).length).toBeGreaterThan(100);
  });

  it.each(['020', '1_0', '0x1F', '0o17', '0b11', '.5', '5.', '+3', '.inf', '-.INF', '.nan', '1e400', '-0', '1_000.5'])(
    'refuses the number %s, which is not plain decimal (row 18)',
    (number) => {
      expect(findings(`version: 1\neither: ${number}\n`)).toEqual([
        expect.stringContaining('p.yaml:2:9 either: a number is written in plain decimal'),
      ]);
    },
  );

  it.each(['20', '-20', '0.5', '-0.25', '1e3', '2.5E-3', '0', '9007199254740991'])(
    'accepts the number %s',
    (number) => {
      expect(findings(`version: 1\neither: ${number}\n`)).toEqual([]);
    },
  );

  it('refuses an integer that a double cannot hold (row 23, G-PS-7)', () => {
    expect(findings('version: 1\neither: 9007199254740993\n')).toEqual([
      'p.yaml:2:9 either: 9007199254740993 is too large to be exact: at most 2^53 − 1',
    ]);
  });

  it.each(['NO', 'no', 'yes', 'Y', 'on', 'OFF'])(
    'refuses the word %s, which some readers take for a boolean (row 18)',
    (word) => {
      expect(findings(`version: 1\nopen: ${word}\n`)).toEqual([
        `p.yaml:2:7 open: write true or false, or "${word}" in quotes if the word is meant, got ${word}`,
      ]);
      expect(findings(`version: 1\nname: "${word}"\n`)).toEqual([]);
    },
  );

  it('refuses a text longer than a person writes, unread', () => {
    expect(findings(`# ${'x'.repeat(LIMITS.configChars)}`)).toEqual([
      `p.yaml:1:1 longer than ${LIMITS.configChars} characters`,
    ]);
  });
});
