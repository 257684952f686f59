/** Actions that wait for persons: what a yes and a no do, when they come too late, and what the yes rests on. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { FibricError, LIMITS, type Receipt } from '@fibric/sdk';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { openJournalReader } from '../journal/reader.ts';
import type { PlanView } from '../journal/types.ts';
import type { Say } from './approvals.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

const rule = (constraints: string): string =>
  `version: 1\nrules:\n  - { id: r, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { ${constraints} } }\n`;
const ASKS = 'approval: { within: 4h }';
const SEEN = "evidence: [{ point: 'zone:{id}/occupied', max_age: 12m }]";

function kernel(constraints: string, options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ['412', '413', '414'])
    if (!device.values.has(`fcu-${zone}/setpoint`)) device.values.set(`fcu-${zone}/setpoint`, 17);
  const made = startKernel({ dataDir: scratchDir(), policy: rule(constraints), ...options, device });
  onTestFinished(() => made.close());
  return made;
}

/** The same folder and devices in a boot of its own, so much later. */
function restarted(before: Kernel, constraints: string, laterMs: number, options: Partial<KernelOptions> = {}): Kernel {
  const clock = new VirtualClock(before.clock.wallMs() + laterMs);
  return kernel(constraints, { dataDir: before.dataDir, bootId: 'boot-2', clock, ...options });
}

/** A kernel that ends between a yes and the intent: its device never answers the read before the write, and it is never stopped. */
function doomed(constraints: string, options: Partial<KernelOptions> = {}): Kernel {
  const device = new FakeDevice();
  device.read = () => new Promise(() => {});
  return startKernel({ dataDir: scratchDir(), policy: rule(constraints), ...options, device });
}

/** Proposes, and resolves with the plan: some of it waits. */
async function proposed(k: Kernel, ...actions: readonly object[]): Promise<string> {
  const { plan_id, awaiting } = await k.clock.until(k.executor.submit(k.proposal(actions)));
  expect(awaiting.length).toBeGreaterThan(0);
  return plan_id ?? '';
}

const say = (k: Kernel, plan_id: string, over: Partial<Say> = {}) =>
  k.executor.approvals.say({
    ...{ decision: 'approve', plan_id, action: null, who: 'anna', plan_hash: null, reason: null },
    ...over,
  });
const saying = (k: Kernel, plan_id: string, over: Partial<Say> = {}) => k.clock.until(say(k, plan_id, over));
const veto = { decision: 'veto', who: 'bert' } as const;

/** The code that saying so is refused with. */
async function refusal(k: Kernel, plan_id: string, over: Partial<Say> = {}): Promise<string> {
  const refused = await saying(k, plan_id, over).then(
    () => 'done',
    (error: unknown) => error,
  );
  return refused instanceof FibricError ? refused.code : String(refused);
}

/** Lets everything that is due now happen. */
const settled = (k: Kernel) => k.clock.advance(MINUTE);
const outcomes = (receipts: readonly Receipt[]) => receipts.map((r) => `${r.outcome}:${r.reason_code}`);

function planOf(k: Kernel, plan_id: string): PlanView {
  const reader = openJournalReader(k.dataDir);
  onTestFinished(() => reader.close());
  const plan = reader.plan(plan_id);
  if (!plan) throw new Error(`no plan ${plan_id}`);
  return plan;
}

/** What was said of plans, in the order of the rows. */
function rowsOf(k: Kernel): readonly string[] {
  const reader = openJournalReader(k.dataDir);
  onTestFinished(() => reader.close());
  expect(reader.verify()).toMatchObject({ kind: 'proved' });
  const story = k.receipts.flatMap(({ receipt_id }) => reader.story(receipt_id)?.others ?? []);
  return story.flatMap((row) => (row.type === 'approval/1' ? [`${row.decision} by ${row.who}: ${row.effect}`] : []));
}

describe('an action that waits for a person', () => {
  it('U2 is sent after the yes, which is on disk before it is told, and its receipt says whose it was', async () => {
    const k = kernel(ASKS);
    const plan_id = await proposed(k, setpoint('412', 21));
    await settled(k);
    expect(k.device.writes).toHaveLength(0);
    const said = await saying(k, plan_id, { reason: 'as agreed' });
    expect(k.journal.durableHead.seq).toBeGreaterThanOrEqual(Number.parseInt(said?.id?.slice(3) ?? '', 36));
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['applied:verified']);
    const basis_hash = planOf(k, plan_id).actions[0]?.waiting?.basis_hash;
    expect(k.receipts[0]).toMatchObject({
      approver: 'anna',
      approval: { id: said?.id, approvers: ['anna'], basis_hash, at_seq: expect.any(Number) },
    });
    expect(rowsOf(k)).toEqual(['approve by anna: counts']);
  });

  it('waits once: the same wish again is told so, and the one that waits is done', async () => {
    const k = kernel(ASKS);
    const plan_id = await proposed(k, setpoint('412', 21));
    await k.propose([setpoint('412', 21)]);
    expect(outcomes(k.receipts)).toEqual(['refused_busy:waits_already']);
    await saying(k, plan_id);
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['refused_busy:waits_already', 'applied:verified']);
  });

  it('gives way to a newer wish for the same, which is what a person then says yes to', async () => {
    const k = kernel(ASKS);
    const older = await proposed(k, setpoint('412', 21));
    await proposed(k, setpoint('413', 21));
    const newer = await proposed(k, setpoint('412', 22));
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['superseded:coalesced']);
    expect(await refusal(k, older)).toBe('conflict');
    await saying(k, newer);
    await settled(k);
    expect([k.device.writes.length, k.device.values.get('fcu-412/setpoint')]).toEqual([1, 22]);
  });

  it('is one of a thousand at the most', async () => {
    const policy =
      'version: 1\nrules: [{ id: r, match: { capability: gate.pulse }, decision: ALLOW, constraints: { approval: {} } }]\n';
    const k = kernel(ASKS, { policy });
    const some = (from: number, count: number) =>
      Array.from({ length: count }, (_, i) => pulse('A', { occurrence: `ev=ticket-${from + i}` }));
    for (let from = 0; from < LIMITS.approvalsWaiting; from += LIMITS.planActions)
      await proposed(k, ...some(from, LIMITS.planActions));
    await k.propose(some(LIMITS.approvalsWaiting, 2));
    expect(outcomes(k.receipts)).toEqual(['refused_busy:approvals_full', 'refused_busy:approvals_full']);
  });

  it('U2 is never sent because nobody spoke: it expires', async () => {
    const k = kernel(ASKS);
    await proposed(k, setpoint('412', 21));
    await k.clock.advance(4 * HOUR + MINUTE);
    expect(outcomes(k.receipts)).toEqual(['expired:approval_expired']);
    expect(k.receipts[0]?.approval).toBeNull();
    expect(k.device.writes).toHaveLength(0);
  });

  it('expires after ten times the age at which what it rests on is too old (G-AP-2)', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    k.say('fcu-412', 'occupied', true);
    await proposed(k, setpoint('412', 21));
    await k.clock.advance(2 * HOUR + MINUTE);
    expect(outcomes(k.receipts)).toEqual(['expired:approval_expired']);
  });

  it('ends with a no, which says why', async () => {
    const k = kernel(ASKS);
    const plan_id = await proposed(k, setpoint('412', 21));
    const said = await saying(k, plan_id, { ...veto, reason: 'guests are asleep' });
    expect(said?.receipts).toMatchObject([{ outcome: 'vetoed', reason: 'bert said no: guests are asleep' }]);
    await settled(k);
    expect(k.device.writes).toHaveLength(0);
    expect(planOf(k, plan_id).status).toBe('vetoed');
  });

  it('keeps those that follow it in its plan waiting, and lets the others go', async () => {
    const k = kernel(ASKS, {
      policy: `${rule(ASKS).replace('hvac.setpoint }', "hvac.setpoint, entity: 'zone:412' }")}${FREE}`,
    });
    const plan_id = await proposed(k, setpoint('412', 21), setpoint('413', 21), setpoint('414', 21, { after: [] }));
    expect(k.receipts.map(({ entity_key }) => entity_key)).toEqual(['zone:414']);
    await saying(k, plan_id);
    await settled(k);
    expect(k.receipts.map(({ entity_key, outcome }) => `${entity_key} ${outcome}`)).toEqual([
      'zone:414 applied',
      'zone:412 applied',
      'zone:413 applied',
    ]);
  });

  it('takes those that follow it along when somebody says no, unless the rule says to go on', async () => {
    for (const [more, end] of [
      ['', 'skipped'],
      [', on_failure: continue', 'applied'],
    ] as const) {
      const asks = rule(ASKS).replace('hvac.setpoint }', "hvac.setpoint, entity: 'zone:412' }");
      const free = FREE.replace('ALLOW }', `ALLOW${more && `, constraints: { ${more.slice(2)} }`} }`);
      const k = kernel(ASKS, { policy: `${asks}${free}` });
      await saying(k, await proposed(k, setpoint('412', 21), setpoint('413', 21)), veto);
      await settled(k);
      expect(k.receipts.map(({ outcome }) => outcome)).toEqual(['vetoed', end]);
    }
  });

  it('is one of several that are said yes and no to one by one', async () => {
    const k = kernel(ASKS);
    const plan_id = await proposed(k, setpoint('412', 21, { after: [] }), setpoint('413', 21, { after: [] }));
    await saying(k, plan_id, { action: 2 });
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['applied:verified']);
    expect(planOf(k, plan_id)).toMatchObject({ status: 'proposed', actions: [{ awaits: true }, { awaits: false }] });
    await saying(k, plan_id, { ...veto, action: 1 });
    expect(outcomes(k.receipts)).toEqual(['applied:verified', 'vetoed:vetoed']);
    expect(await saying(k, plan_id, { action: 3 })).toBeNull();
    expect(await saying(k, 'pl_00000zzz')).toBeNull();
  });

  it('of an operator that proposes only waits as well, and is done when a person says so', async () => {
    const k = kernel('deadband: { abs: 0.2 }', { mode: 'propose_only' });
    const plan_id = await proposed(k, setpoint('412', 21));
    await saying(k, plan_id);
    await settled(k);
    expect(k.receipts).toMatchObject([{ outcome: 'applied', mode: 'propose_only', approver: 'anna' }]);
  });

  it('in shadow is not waited for, and says that it would have been', async () => {
    const k = kernel(ASKS, { mode: 'shadow' });
    k.say('fcu-412', 'setpoint', 17);
    const [receipt] = await k.propose([setpoint('412', 21)]);
    expect(receipt).toMatchObject({ outcome: 'shadow', reason: expect.stringContaining('would have waited') });
  });
});

const FREE =
  "  - { id: free, match: { capability: hvac.setpoint, entity: 'zone:413' }, decision: ALLOW }\n" +
  "  - { id: free2, match: { capability: hvac.setpoint, entity: 'zone:414' }, decision: ALLOW }\n";

describe('a yes', () => {
  it('after the time for it is over comes too late, twice is the same, and holds for the plan that was seen (row 85)', async () => {
    const k = kernel(ASKS);
    const late = await proposed(k, setpoint('412', 21));
    await k.clock.advance(4 * HOUR + MINUTE);
    expect(await refusal(k, late)).toBe('approval_expired');
    const edited = await proposed(k, setpoint('413', 21));
    expect(await refusal(k, edited, { plan_hash: planOf(k, late).plan_hash })).toBe('plan_hash_mismatch');
    expect(k.device.writes).toHaveLength(0);
    const first = await saying(k, edited, { plan_hash: planOf(k, edited).plan_hash });
    await settled(k);
    const again = await saying(k, edited);
    expect([first?.actions, again?.id, again?.actions]).toEqual([
      [expect.objectContaining({ state: 'approved', approvers: ['anna'] })],
      null,
      [expect.objectContaining({ state: 'approved', approvers: ['anna'] })],
    ]);
    expect(k.device.writes).toHaveLength(1);
    expect(await refusal(k, edited, { who: 'bert' })).toBe('conflict');
  });

  it('of two persons is needed where the rule says so, and one person is one, however often', async () => {
    const k = kernel('approval: { within: 4h, approvers: 2 }');
    const plan_id = await proposed(k, setpoint('412', 21));
    expect((await saying(k, plan_id))?.actions).toMatchObject([{ state: 'waiting', approvers: ['anna'], needed: 2 }]);
    expect((await saying(k, plan_id))?.id).toBeNull();
    await settled(k);
    expect(k.device.writes).toHaveLength(0);
    await saying(k, plan_id, { who: 'bert' });
    await settled(k);
    expect(k.receipts).toMatchObject([{ outcome: 'applied', approval: { approvers: ['anna', 'bert'] } }]);
  });

  it('and a no in the same moment: the first row counts, and both are there (row 87)', async () => {
    const k = kernel(ASKS);
    const yesFirst = await proposed(k, setpoint('412', 21));
    const both = [say(k, yesFirst), say(k, yesFirst, veto)] as const;
    const [, no] = await k.clock.until(Promise.allSettled(both));
    expect(no).toMatchObject({ status: 'rejected', reason: { code: 'too_late' } });
    await settled(k);
    expect(rowsOf(k)).toEqual(['approve by anna: counts', 'veto by bert: late']);
    const noFirst = await proposed(k, setpoint('413', 21));
    const [, yes] = await k.clock.until(Promise.allSettled([say(k, noFirst, veto), say(k, noFirst)]));
    expect(yes).toMatchObject({ status: 'rejected', reason: { code: 'conflict' } });
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['applied:verified', 'vetoed:vetoed']);
    expect(rowsOf(k)).toEqual([
      'approve by anna: counts',
      'veto by bert: late',
      'veto by bert: counts',
      'approve by anna: late',
    ]);
  });

  it('is not taken back by a no once it is sent, which is told how to take back what it left (G-AP-5)', async () => {
    const k = kernel(`${ASKS}, lease: { ttl: 45m, fallback: baseline }`);
    const plan_id = await proposed(k, setpoint('412', 21));
    await saying(k, plan_id);
    await settled(k);
    const lease = k.receipts[0]?.lease?.id;
    await expect(saying(k, plan_id, veto)).rejects.toThrow(`fibric leases release ${lease}`);
    expect(await refusal(k, plan_id, veto)).toBe('too_late');
  });

  it('is for those to say whom the site file gives the role; a role lost before it is sent makes it void (row 88)', async () => {
    const anna = new Map([['anna', { roles: ['approver'] }]]);
    const k = doomed(ASKS, { parts: { people: anna } });
    const plan_id = await proposed(k, setpoint('412', 21));
    expect(await refusal(k, plan_id, { who: 'bert' })).toBe('forbidden');
    await saying(k, plan_id);
    const bert = new Map([['bert', { roles: ['approver'] }]]);
    const after = restarted(k, ASKS, MINUTE, { parts: { people: bert } });
    await settled(after);
    expect(after.receipts).toMatchObject([{ outcome: 'blocked', reason_code: 'approval_void' }]);
    expect(after.device.writes).toHaveLength(0);
  });

  it('overrides nothing: a policy that was tightened since wins, one that was loosened leaves it standing (G-AP-4)', async () => {
    const k = doomed(ASKS);
    await saying(k, await proposed(k, setpoint('412', 25), setpoint('413', 20)));
    const after = restarted(
      k,
      `${ASKS}, range: { arg: celsius, min: 18, max: 22, unit: degC }, on_failure: continue`,
      MINUTE,
    );
    await settled(after);
    expect(outcomes(after.receipts)).toEqual(['blocked:out_of_range', 'applied:verified']);
  });
});

describe('the basis of a yes', () => {
  async function seen(constraints: string, value: boolean | number): Promise<{ k: Kernel; plan_id: string }> {
    const k = kernel(constraints);
    k.say('fcu-412', 'occupied', value);
    return { k, plan_id: await proposed(k, setpoint('412', 21)) };
  }

  it('U3 is looked at again when its turn comes: what has changed since is shown, and nothing is sent (row 86)', async () => {
    const { k, plan_id } = await seen(`${ASKS}, ${SEEN}`, false);
    k.say('fcu-412', 'occupied', true);
    await saying(k, plan_id);
    await settled(k);
    expect(k.receipts).toMatchObject([
      {
        outcome: 'basis_changed',
        reason: 'it was approved on what is no longer so: zone:412/occupied was false, is true',
        approval: { approvers: ['anna'] },
      },
    ]);
    expect(k.device.writes).toHaveLength(0);
  });

  it('U3 has changed too when it is gone or no longer good', async () => {
    const gone = await seen(`${ASKS}, ${SEEN}`, true);
    gone.k.points.clear();
    await saying(gone.k, gone.plan_id);
    await settled(gone.k);
    const bad = await seen(`${ASKS}, ${SEEN}`, true);
    bad.k.say('fcu-412', 'occupied', true, { quality: 'uncertain' });
    await saying(bad.k, bad.plan_id);
    await settled(bad.k);
    expect([gone, bad].map(({ k }) => k.receipts[0]?.reason?.split('so: ')[1])).toEqual([
      'zone:412/occupied was true, is null (bad)',
      'zone:412/occupied was true, is true (uncertain)',
    ]);
  });

  it('U3 may move as far as the rule says', async () => {
    const tolerant = `approval: { within: 4h, tolerance: { 'zone:{id}/occupied': 2 } }, ${SEEN}`;
    for (const [now, outcome] of [
      [21.9, 'applied'],
      [22.1, 'basis_changed'],
    ] as const) {
      const { k, plan_id } = await seen(tolerant, 20);
      k.say('fcu-412', 'occupied', now);
      await saying(k, plan_id);
      await settled(k);
      expect(k.receipts.map((one) => one.outcome)).toEqual([outcome]);
    }
  });

  it('U3 is also what the operator says that its wish rests on, if there is such a point', async () => {
    const k = kernel(ASKS);
    k.say('fcu-413', 'setpoint', 17);
    const plan_id = await proposed(k, { ...setpoint('412', 21), depends_on: ['zone:413/setpoint'] });
    k.say('fcu-413', 'setpoint', 25);
    await saying(k, plan_id);
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['basis_changed:basis_changed']);
    await k.propose([{ ...setpoint('412', 21), depends_on: ['zone:412/mood'] }]);
    expect(k.receipts[1]).toMatchObject({
      outcome: 'blocked',
      reason_code: 'unknown_point',
      reason: 'depends_on: there is no point zone:412/mood',
    });
  });

  it('U3 is also that the device is in nobody’s hand', async () => {
    const k = kernel(ASKS);
    k.say('fcu-412', 'setpoint', 17);
    const plan_id = await proposed(k, setpoint('412', 21));
    k.say('fcu-412', 'setpoint', 17, { quality: 'uncertain', quality_reason: 'local_override' });
    await saying(k, plan_id);
    await settled(k);
    expect(k.receipts[0]?.reason).toContain('fcu-412 local control was false, is true');
  });
});

describe('a restart', () => {
  it('leaves an action waiting, its yeses counted and its time running (C2)', async () => {
    const two = 'approval: { within: 4h, approvers: 2 }';
    const k = kernel(two);
    const first = await proposed(k, setpoint('412', 21));
    const second = await proposed(k, setpoint('413', 21));
    await saying(k, first);
    await k.close();
    const after = restarted(k, two, HOUR);
    expect(after.receipts).toEqual([]);
    expect(planOf(after, first)).toMatchObject({
      status: 'proposed',
      actions: [{ awaits: true, approvers: ['anna'] }],
    });
    await saying(after, first, { who: 'bert' });
    await settled(after);
    expect(after.receipts).toMatchObject([{ outcome: 'applied', approval: { approvers: ['anna', 'bert'] } }]);
    await after.clock.advance(3 * HOUR);
    expect(outcomes(after.receipts)).toEqual(['applied:verified', 'expired:approval_expired']);
    expect(planOf(after, second).status).toBe('expired');
  });

  it('is not the moment to say something: what is said while the gateway stops is refused, and not written down', async () => {
    const k = kernel(ASKS);
    const plan_id = await proposed(k, setpoint('412', 21));
    const rows = k.journal.nextSeq;
    const stopping = k.executor.stop();
    for (const decision of ['approve', 'veto'] as const)
      expect(await refusal(k, plan_id, { decision })).toBe('conflict');
    await stopping;
    expect(k.journal.nextSeq).toBe(rows);
  });

  it('with a clock that has gone back makes it wait no longer than was meant at first', async () => {
    const k = kernel(ASKS);
    await proposed(k, setpoint('412', 21));
    await k.close();
    const after = restarted(k, ASKS, -30 * 24 * HOUR);
    await after.clock.advance(4 * HOUR + MINUTE);
    expect(outcomes(after.receipts)).toEqual(['expired:approval_expired']);
  });

  it('between the yes and the intent sends what was approved, on a basis looked at again (C3)', async () => {
    const k = doomed(`${ASKS}, ${SEEN}`);
    for (const zone of ['412', '413']) k.say(`fcu-${zone}`, 'occupied', false);
    const plans = [await proposed(k, setpoint('412', 21)), await proposed(k, setpoint('413', 21))];
    for (const plan of plans) await saying(k, plan);
    const clock = new VirtualClock(k.clock.wallMs() + MINUTE);
    const points = new Map([
      ['zone:412/occupied', false],
      ['zone:413/occupied', true],
    ]);
    const fact = (entity: string, name: string) => {
      const value = points.get(`${entity}/${name}`);
      if (value === undefined) return null;
      const known = { unit: null, quality: 'good', provenance: 'live', source_ts: null } as const;
      return { value, ...known, age_ms: 0, unchanged_ms: 0 };
    };
    const parts = { points: { all: () => [], get: () => null, fact } };
    const after = restarted(k, `${ASKS}, ${SEEN}`, 0, { clock, parts });
    await settled(after);
    expect(after.receipts.map(({ entity_key, outcome }) => `${entity_key} ${outcome}`).toSorted()).toEqual([
      'zone:412 applied',
      'zone:413 basis_changed',
    ]);
  });
});
