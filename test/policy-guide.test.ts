/** docs/POLICY.md is what people copy from: every example in it goes through the real parser, and what it shows is what is said. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { casesSchema, checkYaml, decide, explain, explainRules, ledger, tryCase } from '@fibric/policy';
import { describe, expect, it } from 'vitest';
import { KIND_NAMES } from '../policy/kinds/table.ts';
import { fact, facts, findingsOf, policyOf } from '../policy/test/site.ts';

const GUIDE = readFileSync(join(import.meta.dirname, '..', 'docs', 'POLICY.md'), 'utf8');

/** Every fenced block of a language, with the heading it stands under. */
function blocks(language: string): readonly { readonly heading: string; readonly text: string }[] {
  const found: { heading: string; text: string }[] = [];
  let heading = '';
  for (const [, title, fence, text] of GUIDE.matchAll(/^#+ (.+)$|^```(\w+)\n([\s\S]*?)^```$/gm)) {
    if (title !== undefined) heading = title;
    else if (fence === language) found.push({ heading, text: text ?? '' });
  }
  return found;
}

/** A constraint stands alone in the guide: here it gets a rule around it. */
function asPolicy(text: string): string {
  if (/^(version:|- )/.test(text)) return text;
  const lines = text.trimEnd().replaceAll(/^/gm, '      ');
  return `version: 1\nrules:\n  - id: example\n    match: { capability: hvac.setpoint }\n    decision: ALLOW\n    constraints:\n${lines}\n`;
}

const isCases = ({ text }: { readonly text: string }): boolean => text.startsWith('policy:');

describe('the guide to policies', () => {
  it.each(
    blocks('yaml')
      .filter((block) => !isCases(block))
      .map(({ heading, text }) => [heading, text]),
  )('loads what it shows under %s', (_, text) => {
    expect(findingsOf(asPolicy(text))).toEqual([]);
  });

  it('shows every kind of constraint, in an example of its own', () => {
    const shown = blocks('yaml').flatMap(({ heading, text }) =>
      text.includes(`${/`(\w+)`/.exec(heading)?.[1]}:`) ? [heading] : [],
    );
    const written = (kind: string): string => (kind === 'value' ? '`maxValue`, `minValue`' : `\`${kind}\``);
    expect(KIND_NAMES.map(written).filter((heading) => !shown.includes(heading))).toEqual([]);
  });

  it('shows cases that hold for the policy that they are about', () => {
    const policy = policyOf(blocks('yaml')[0]?.text ?? '');
    const [shown] = blocks('yaml').filter(isCases);
    const checked = checkYaml(shown?.text ?? '', 'cases.yaml', casesSchema);
    if ('findings' in checked) throw new Error(JSON.stringify(checked.findings));
    const results = checked.value.cases.map((one) => tryCase(policy, one));
    expect(results.map(({ holds, differs }) => [holds, differs])).toEqual(results.map(() => [true, []]));
  });

  it('explains as the product does', () => {
    const [first] = blocks('yaml');
    const policy = policyOf(first?.text ?? '');
    const given = facts({ points: { 'zone:412/temperature': fact({ value: 20.4, age_ms: 312_000 }) } });
    const said = [explain(decide(policy, given, 'head'), given), ...explainRules(ledger(policy, given, 'head'))];
    expect(blocks('text')[0]).toEqual({ heading: 'Why?', text: `${said.join('\n')}\n` });
  });
});
