import { expect, test } from 'vitest';
import { createReasoner } from './reasoner.ts';

const reasoner = createReasoner(
  new Map([
    ['router:reasoning', [{ provider: 'rules' }]],
    ['router:empty', []],
  ]),
);

test('an alias resolves to its first provider, and an operator that names none gets router:reasoning', () => {
  const resolved = { kind: 'resolved', alias: 'router:reasoning', provider: 'rules', model: null };
  expect(reasoner.resolve('router:reasoning')).toEqual(resolved);
  expect(reasoner.resolve(null)).toEqual(resolved);
});

test('an alias without a provider is named together with those there are', () => {
  for (const alias of ['router:cheap', 'router:empty']) {
    expect(reasoner.resolve(alias)).toEqual({
      kind: 'unresolved',
      problem: `no provider stands behind '${alias}': add it to models in the site file (known: router:reasoning, router:empty)`,
    });
  }
});
