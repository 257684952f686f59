import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { canonicalPolicy } from '@fibric/policy';
import { beforeAll, describe, expect, test } from 'vitest';
import { policyOf, pulse, setpoint, startKernel } from '../test/support/kernel.ts';
import { emptyFolder, fibric } from './harness.ts';
import type { PolicyDiff } from './verbs/policy-diff.ts';

const RULES = `version: 1
rules:
  - id: comfort-setpoint
    match: { capability: hvac.setpoint }
    decision: ALLOW
    constraints: { range: { arg: celsius, max: 24, unit: degC }, quantity: { per_window: { count: 2, window: 1h } }, deadband: { abs: 0.5 } }
`;

let data: string;

/** A day of a small site: two written, one beyond the rate, one beyond the range, one granted by nobody, one near enough. */
beforeAll(async () => {
  data = emptyFolder();
  const kernel = startKernel({ dataDir: data, policy: RULES });
  for (const zone of ['412', '413', '414']) kernel.device.values.set(`fcu-${zone}/setpoint`, 20);
  const policy = policyOf(RULES);
  const about = { operator: 'comfort', operator_uid: 'comfort', who: 'site file', names: ['gate.pulse'], sources: [] };
  kernel.journal.append({ type: 'policy/1', ...about, hash: policy.hash, text: canonicalPolicy(policy) });
  for (const zone of ['412', '413', '414']) await kernel.propose([setpoint(zone, 22)]);
  await kernel.clock.advance(2 * 3_600_000);
  await kernel.propose([setpoint('412', 26)]);
  await kernel.propose([pulse('A')]);
  await kernel.propose([setpoint('414', 20.3)]);
  await kernel.close();
});

const OUTCOMES = ['applied', 'applied', 'rate_limited', 'out_of_range', 'default_closed', 'noop'];

function diff(text: string, ...more: readonly string[]) {
  const file = join(emptyFolder(), 'policy.yaml');
  writeFileSync(file, text);
  return fibric(['policy', 'diff', file, '--data', data, ...more]);
}

async function changes(text: string): Promise<readonly string[]> {
  const found = JSON.parse((await diff(text, '--json')).out) as PolicyDiff;
  const short = ({ decision, reason_code, target }: PolicyDiff['changes'][number]['was']): string =>
    decision === 'BLOCK' ? reason_code : target === null ? 'nothing' : String(target[0]?.value);
  return found.changes.map(
    ({ entity_key, was, would, unsure }) => `${entity_key} ${short(was)} → ${short(would)}${unsure ? '?' : ''}`,
  );
}

describe('policy diff takes every decision again on the folder of a stopped gateway', () => {
  test('and finds nothing changed where nothing is', async () => {
    const { code, out, err } = await diff(RULES);
    expect([code, out]).toEqual([0, '']);
    expect(err).toContain(`${OUTCOMES.length} decisions taken again`);
    expect(err).toContain('0 verdicts would change, 0 cannot be told for certain');
    expect(await changes(RULES)).toEqual([]);
  });

  test.for([
    ['a tighter range', 'max: 24', 'max: 21', ['zone:412 22 → out_of_range', 'zone:413 22 → out_of_range']],
    ['a wider range', 'max: 24', 'max: 30', ['zone:412 out_of_range → 26?']],
    ['another rate', 'count: 2', 'count: 1', ['zone:413 22 → rate_limited']],
    ['no rate to speak of', 'count: 2', 'count: 9', ['zone:414 rate_limited → 22?']],
    [
      'a clamp',
      'max: 24, unit: degC',
      'max: 21, unit: degC, on_exceed: clamp',
      ['zone:412 22 → 21', 'zone:413 22 → 21', 'zone:412 out_of_range → 21?'],
    ],
    ['a finer deadband', 'abs: 0.5', 'abs: 0.1', ['zone:414 nothing → 20.3?']],
    ['one more grant', 'version: 1', 'version: 1\nallow: [gate.pulse]', ['gate:A default_closed → true?']],
    [
      'a point that nobody asked for then',
      'deadband:',
      'evidence: [{ point: "zone:{id}/co2", max_age: 5m }], deadband:',
      ['zone:412 22 → evidence_missing?', 'zone:413 22 → evidence_missing?', 'zone:414 nothing → evidence_missing?'],
    ],
  ] as const)('with %s', async ([, from, to, expected]) => {
    expect(RULES).toContain(from);
    const found = await changes(RULES.replace(from, to));
    expect(found).toEqual([...expected]);
  });

  test('prints each verdict that changes with its reason; --limit keeps the newest', async () => {
    const { code, out, err } = await diff(RULES.replace('max: 24', 'max: 21'));
    expect(code).toBe(0);
    expect(out).toMatch(
      /rc_\w+ +\S+ \S+Z +hvac.setpoint +celsius=22 zone=412 +ALLOW setpoint=22 +BLOCK out_of_range +celsius is 22 degC, at most 21 degC allowed/,
    );
    expect(err).toMatch(/^policy [0-9a-f]{12} of comfort → [0-9a-f]{12}: 6 decisions taken again since /);
    expect((await diff(RULES.replace('max: 24', 'max: 21'), '--limit', '1')).out.split('\n')).toHaveLength(3);
  });

  test('only since when it is asked for', async () => {
    expect((await diff(RULES, '--since', '1h')).err).toContain('3 decisions taken again');
    expect(await diff(RULES, '--since', 'yesterday')).toMatchObject({
      code: 2,
      err: expect.stringContaining('expected a time such as'),
    });
  });

  test('names the findings of a policy that cannot be tried, and knows what the site could do', async () => {
    expect(await diff('version: 1\nallow: [gate.puls]\n')).toMatchObject({
      code: 2,
      out: expect.stringContaining("2:9: allow[0]: unknown capability 'gate.puls'; did you mean 'gate.pulse'?"),
    });
  });

  test('says what is missing where there is no journal, or no telling whose policy is meant', async () => {
    expect(await fibric(['policy', 'diff', 'policy.yaml', '--data', emptyFolder()])).toMatchObject({ code: 4 });
    const kernel = startKernel({ dataDir: emptyFolder() });
    await kernel.close();
    const { code, err } = await fibric(['policy', 'diff', 'policy.yaml', '--data', kernel.dataDir]);
    expect([code, err]).toEqual([
      2,
      expect.stringContaining('no policy was ever activated here: say whose is changed with --operator'),
    ]);
  });
});
