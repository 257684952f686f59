/** Persons, in the real process and on the wire: what they ask for, and what they say yes and no to. */
import { beforeAll, describe, expect, test } from 'vitest';
import type { PlanView } from '@fibric/gateway/journal/types';
import type { Receipt } from '@fibric/sdk';
import { ends } from '../support/ends.ts';
import { HEAD, type RealGateway, rows, startGateway } from '../support/real-gateway.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, tenths } from './desk.ts';

/** Zones: a person's own, one of an operator that has to ask, one where commands come too late, and one where the asking looks at the setpoint. */
const [OWN, ASKED, STALE, SEEN] = [1, 2, 3, 4];

const POLICY = `version: 1
rules:
  - { id: asks, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { approval: { within: 1h } } }
  - id: looks
    match: { capability: hvac.setpoint, entity: 'zone:${SEEN}' }
    decision: ALLOW
    constraints: { evidence: [{ point: 'zone:{id}/setpoint', max_age: 1m }] }
`;
const PERSON_POLICY = `version: 1
rules:
  - { id: by-hand, match: { capability: hvac.setpoint, operator: person }, decision: ALLOW, constraints: { range: { arg: celsius, min: 16, max: 26, unit: degC } } }
`;

const end = ends();
let desk: Desk;
let gateway: RealGateway;
const lines = new Map<number, Line>();
const unit = (zone: number) => (lines.get(zone) as Line).unit;
const waiting = async (): Promise<PlanView[]> =>
  rows<PlanView>((await gateway.fibric('plans', 'ls', '--waiting', '--json')).out);
const last = async (zone: number): Promise<Receipt | undefined> =>
  (await gateway.receipts()).findLast(({ entity_key }) => entity_key === `zone:${zone}`);

beforeAll(async () => {
  desk = await Desk.open(end, 4);
  for (const zone of [OWN, ASKED, STALE, SEEN]) lines.set(zone, await openLine(end, zone));
  const all = [...lines];
  gateway = await startGateway(end, {
    ...DESK_FILES,
    'puppet/policy.yaml': POLICY,
    'person.yaml': PERSON_POLICY,
    'site.yaml': `${HEAD}
profiles: ./profiles
connections:
  desk: { driver: modbus, url: 'tcp://127.0.0.1:${desk.port}' }
${all.map(([zone, { port }]) => `  line-${zone}: { driver: modbus, url: 'tcp://127.0.0.1:${port}', timeout: 300ms }`).join('\n')}
devices:
${desk.devices()}
${all.map(([zone]) => `  - { id: unit-${zone}, connection: line-${zone}, unit: ${zone}, profile: quick, entity: 'zone:${zone}' }`).join('\n')}
bindings: { hvac.setpoint: [${all.map(([zone]) => `line-${zone}`).join(', ')}] }
operators:
  puppet: { mode: live, path: ./puppet, policy: ./puppet/policy.yaml }
  person: { mode: live, policy: ./person.yaml }
people: { anna: { roles: [approver] }, bert: {} }
`,
  });
  for (const [zone] of all)
    await waitFor(
      `unit-${zone} to be read`,
      async () => (await gateway.point(`unit-${zone}/setpoint`)).quality === 'good',
    );
});

const propose = (zone: number, celsius: number, ...more: readonly string[]) =>
  gateway.fibric('propose', 'hvac.setpoint', `zone:${zone}`, '--arg', `celsius=${celsius}`, ...more);

describe('a person', () => {
  test('U4 asks for something, and it goes the way of any proposal: plan, policy, intent, receipt', async () => {
    const { code, out } = await propose(OWN, 21, '--as', 'bert', '--reason', 'a guest is cold');
    expect([code, out]).toEqual([0, expect.stringContaining('applied')]);
    expect(unit(OWN).get('holding', 0)).toBe(tenths(21));
    const receipt = (await last(OWN)) as Receipt;
    expect(receipt).toMatchObject({
      ...{ outcome: 'applied', operator: 'person', proposed_by: 'person:bert', reasoning: 'a guest is cold' },
      ...{ idempotency_key: 'person:zone:1:setpoint@ep=1#1', policy: { rule: 'by-hand' } },
    });
    expect((await gateway.fibric('why', receipt.receipt_id)).out).toContain('proposed by person:bert');
  });

  test('U4 is told no by policy as an operator is, and of what makes no sense at once', async () => {
    const hot = await propose(OWN, 30, '--as', 'bert');
    expect([hot.code, hot.out]).toEqual([3, expect.stringContaining('out_of_range')]);
    expect((await propose(OWN, 21)).code).toBe(2);
    const other = await gateway.fibric(
      ...['propose', 'hvac.setpoint', `zone:${OWN}`, '--arg', 'celsius=21', '--arg', 'zone=3', '--as', 'bert'],
    );
    expect([other.code, other.err]).toEqual([2, expect.stringContaining('zone:1')]);
    expect(unit(OWN).writes('holding', 0)).toBe(1);
  });

  test('whose 200 commands have waited too long somewhere has none of them done (row 115)', async () => {
    const deadline = new Date(Date.now() - 1_000).toISOString();
    const ask = (i: number) => ({
      ...{ who: 'building-system', capability: 'hvac.setpoint', entity: `zone:${STALE}`, deadline },
      args: { celsius: 18 + (i % 5) },
    });
    const answers = await Promise.all(Array.from({ length: 200 }, (_, i) => gateway.request('/v1/actions', ask(i))));
    const outcomes = answers.map(({ text }) => (JSON.parse(text) as { receipts: Receipt[] }).receipts[0]?.outcome);
    expect(new Set(outcomes)).toEqual(new Set(['expired']));
    expect(unit(STALE).writes('holding', 0)).toBe(0);
  });
});

describe('what an operator has to ask for', () => {
  test('U2 waits over a kill, and is done when one who may says yes (C2)', async () => {
    desk.ask(ASKED, 22);
    const [plan] = await waitFor('a plan that waits', async () => {
      const found = await waiting();
      return found.length > 0 ? found : null;
    });
    const id = plan?.plan_id ?? '';
    await gateway.stop('SIGKILL');
    await gateway.start();
    expect((await waiting()).map(({ plan_id }) => plan_id)).toContain(id);
    expect((await gateway.fibric('plans', 'show', id)).out).toContain('waits for 1 person');
    const refused = await gateway.fibric('plans', 'approve', id, '--as', 'bert');
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('bert is not among the approvers')]);
    expect((await gateway.fibric('plans', 'approve', id, '--as', 'anna', '--reason', 'as agreed')).code).toBe(0);
    const receipt = await waitFor('the receipt', () => last(ASKED));
    expect(receipt).toMatchObject({ outcome: 'applied', plan_id: id, approval: { approvers: ['anna'] } });
    expect(unit(ASKED).get('holding', 0)).toBe(tenths(22));
    const why = (await gateway.fibric('why', receipt.receipt_id)).out;
    expect(why).toMatch(/approval +approve by anna, row \d+, .*: as agreed/);
    expect((await gateway.fibric('plans', 'veto', id, '--as', 'anna')).err).toContain('approved by anna');
  });

  test('is not done when one who may says no', async () => {
    desk.ask(ASKED, 24);
    const id = await waitFor('a plan that waits', async () =>
      (await waiting()).find(({ actions }) => actions[0]?.args['celsius'] === 24),
    );
    expect((await gateway.fibric('plans', 'veto', id.plan_id, '--as', 'anna')).out).toContain('vetoed by anna');
    expect(await last(ASKED)).toMatchObject({ outcome: 'vetoed', plan_id: id.plan_id });
    expect(unit(ASKED).get('holding', 0)).toBe(tenths(22));
  });

  test('U3 falls when its basis has changed, and is done when one who may says yes to what was found (G-AP-3)', async () => {
    desk.ask(SEEN, 22);
    const { plan_id: id } = await waitFor('a plan that waits', async () =>
      (await waiting()).find(({ actions }) => actions[0]?.entity_key === `zone:${SEEN}`),
    );
    // Nobody asks for it any more, so that nothing takes its place after the start.
    desk.ask(SEEN, 0);
    unit(SEEN).set('holding', 0, tenths(19));
    await waitFor('the hand to be seen', async () => (await gateway.point(`unit-${SEEN}/setpoint`)).value === 19);
    expect((await gateway.fibric('plans', 'approve', id, '--as', 'anna')).code).toBe(0);
    await waitFor('the receipt', async () => (await last(SEEN))?.outcome === 'basis_changed');
    await gateway.stop('SIGKILL');
    await gateway.start();
    await waitFor('the setpoint', async () => (await gateway.point(`unit-${SEEN}/setpoint`)).quality === 'good');
    expect((await gateway.fibric('plans', 'ls', '--waiting')).out).toMatch(new RegExp(`${id} .* basis_changed `));
    const shown = (await gateway.fibric('plans', 'show', id)).out;
    expect(shown).toContain(`zone:${SEEN}/setpoint was 17, good, and was found 19, good`);
    const [yes = ''] = /plans approve \S+ --basis \S+ --as/.exec(shown) ?? [];
    const refused = await gateway.fibric(...yes.split(' '), 'bert');
    expect([refused.code, refused.err]).toEqual([3, expect.stringContaining('bert is not among the approvers')]);
    expect(unit(SEEN).writes('holding', 0)).toBe(0);
    const said = await gateway.fibric(...yes.split(' '), 'anna', '--reason', 'still cold');
    expect([said.code, said.err, said.out]).toEqual([
      0,
      '',
      expect.stringMatching(`takes the place of ${id}\n.* approved by anna`),
    ]);
    const receipt = await waitFor('the write', async () => {
      const found = await last(SEEN);
      return found?.outcome === 'applied' ? found : null;
    });
    expect(receipt).toMatchObject({
      operator: 'puppet',
      proposed_by: 'person:anna',
      approval: { approvers: ['anna'] },
    });
    expect([unit(SEEN).get('holding', 0), unit(SEEN).writes('holding', 0)]).toEqual([tenths(22), 1]);
    const why = (await gateway.fibric('why', receipt.receipt_id)).out;
    expect(why).toMatch(new RegExp(`trigger +action.approved_anew[^]*plan_id=${id}[^]*approve by anna.*: still cold`));
    const again = await gateway.fibric(...yes.split(' '), 'anna');
    expect([again.code, again.err]).toEqual([1, expect.stringContaining(`has taken the place of ${id}`)]);
  });
});
