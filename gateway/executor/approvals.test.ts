/** Actions that wait for persons: what a yes and a no do, when they come too late, and what the yes rests on. */
import { describe, expect, it, onTestFinished } from 'vitest';
import { FibricError, LIMITS, type Receipt } from '@fibric/sdk';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { fsck } from '../journal/fsck.ts';
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
    ...{ decision: 'approve', plan_id, action: null, who: 'anna', plan_hash: null, basis_hash: null, reason: null },
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

/** The plans that are up to persons. */
function queue(k: Kernel): readonly string[] {
  const reader = openJournalReader(k.dataDir);
  onTestFinished(() => reader.close());
  return reader.plans({ limit: 10, waiting: true }).map(({ plan_id }) => plan_id);
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

describe('a yes to what fell because its basis had changed (G-AP-3)', () => {
  const TWO = 'approval: { within: 4h, approvers: 2 }';

  /** A plan that fell because somebody came in, as it is shown, and what it was found to rest on. */
  async function fallen(k: Kernel, actions: readonly object[] = [setpoint('412', 21)], yeses = ['anna']) {
    k.say('fcu-412', 'occupied', false);
    const plan_id = await proposed(k, ...actions);
    k.say('fcu-412', 'occupied', true);
    for (const who of yeses) await saying(k, plan_id, { who });
    await settled(k);
    return { plan_id, basis_hash: planOf(k, plan_id).actions[0]?.anew?.basis_hash ?? '' };
  }
  const watched = (action: object) => ({ ...action, depends_on: ['zone:412/setpoint'] });
  const ticket = (n: number) => watched(pulse('A', { occurrence: `ev=ticket-${n}` }));
  const PULSE =
    'version: 1\nrules: [{ id: r, match: { capability: gate.pulse }, decision: ALLOW, constraints: { approval: {} } }]\n';
  /** The refusal in words, of a yes on what was found. */
  const why = (k: Kernel, plan_id: string, over: Partial<Say>): Promise<string> =>
    saying(k, plan_id, over).then(
      () => 'done',
      (error: unknown) => (error instanceof FibricError ? `${error.code}: ${error.message}` : String(error)),
    );
  const seqIn = (id: string): number => Number.parseInt(id.slice(3), 36);

  it('U3 is given on old and new as the queue shows them, and what fell is then done by a plan of its own (row 86)', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    const shown = planOf(k, plan_id);
    const [was] = shown.actions;
    expect(shown).toMatchObject({ status: 'basis_changed', actions: [{ outcome: 'basis_changed', awaits: false }] });
    expect(was?.changed).toEqual([
      { of: 'zone:412/occupied', was: { value: false, quality: 'good' }, is: { value: true, quality: 'good' } },
    ]);
    expect(was?.anew).toEqual({ basis_hash, expires_ms: was?.waiting?.expires_ms, plan_id: null });
    expect(basis_hash).not.toBe(was?.waiting?.basis_hash);
    expect(queue(k)).toEqual([plan_id]);
    const said = await saying(k, plan_id, { basis_hash, plan_hash: shown.plan_hash, reason: 'all the same' });
    await settled(k);
    expect(said).toMatchObject({ decision: 'approve', who: 'anna', actions: [{ state: 'approved', needed: 1 }] });
    expect(k.receipts).toMatchObject([
      { plan_id, outcome: 'basis_changed', approval: { basis_changes: was?.changed } },
      {
        ...{ plan_id: said?.plan_id, outcome: 'applied', proposed_by: 'person:anna', operator: 'comfort' },
        ...{ reasoning: 'test', correlation_id: k.receipts[0]?.correlation_id },
        ...{ approval: { id: said?.id, approvers: ['anna'], basis_hash, basis_changes: [] } },
      },
    ]);
    expect(k.receipts[1]?.idempotency_key).toBe(k.receipts[0]?.idempotency_key);
    expect(k.device.writes).toHaveLength(1);
    expect(k.announced.find(({ event_type }) => event_type === 'action.approved_anew')?.payload).toEqual({
      ...{ who: 'anna', reason: 'all the same', plan_id },
      ...{ action_id: k.receipts[0]?.action_id, receipt_id: k.receipts[0]?.receipt_id },
    });
    // What fell stays as it ended, and leaves the queue.
    expect(planOf(k, plan_id)).toMatchObject({ ...shown, actions: [{ ...was, anew: { plan_id: said?.plan_id } }] });
    expect(queue(k)).toEqual([]);
    expect(rowsOf(k)).toEqual(['approve by anna: counts', 'approve by anna: counts']);
  });

  it('names the basis that was seen: without one, or with another, nothing is approved', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    // The word of before again, as when its answer was lost, is no yes to what nobody has seen.
    expect((await saying(k, plan_id))?.id).toBeNull();
    expect(await why(k, plan_id, { who: 'bert' })).toMatch(
      /^conflict: .*: what it rested on had changed; fibric plans show/,
    );
    const first = planOf(k, plan_id).actions[0]?.waiting?.basis_hash ?? '';
    expect(await why(k, plan_id, { basis_hash: first })).toContain(`fibric plans show ${plan_id}`);
    expect(await refusal(k, plan_id, { basis_hash, plan_hash: 'f'.repeat(64) })).toBe('plan_hash_mismatch');
    expect(await saying(k, plan_id, { basis_hash, action: 2 })).toBeNull();
    k.say('fcu-413', 'occupied', true);
    const waits = await proposed(k, setpoint('413', 21));
    expect(await why(k, waits, { basis_hash })).toContain('approve it without naming one');
    await saying(k, waits);
    await settled(k);
    expect(await why(k, waits, { basis_hash })).toContain('nothing of it ended because its basis had changed');
    expect(k.device.writes).toHaveLength(1);
  });

  it('holds for what was seen alone: what has changed again by the time it is sent is not done, and shown again', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    k.say('fcu-412', 'occupied', false);
    const said = await saying(k, plan_id, { basis_hash });
    await settled(k);
    expect(k.receipts[1]).toMatchObject({
      ...{ plan_id: said?.plan_id, outcome: 'basis_changed' },
      reason: 'it was approved on what is no longer so: zone:412/occupied was true, is false',
    });
    expect([k.device.writes, queue(k)]).toEqual([[], [said?.plan_id]]);
    const again = planOf(k, said?.plan_id ?? '').actions[0]?.anew?.basis_hash ?? '';
    await saying(k, said?.plan_id ?? '', { basis_hash: again });
    await settled(k);
    expect(outcomes(k.receipts).at(-1)).toBe('applied:verified');
  });

  it('is needed of as many persons as any other, and a second person finds the plan that waits by then', async () => {
    const k = kernel(`${TWO}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k, [setpoint('412', 21)], ['anna', 'bert']);
    const said = await saying(k, plan_id, { basis_hash });
    await settled(k);
    expect([said?.actions[0]?.state, said?.actions[0]?.needed, k.device.writes.length]).toEqual(['waiting', 2, 0]);
    const place = `conflict: ${said?.plan_id} has taken the place of ${plan_id}`;
    for (const who of ['anna', 'bert']) expect(await why(k, plan_id, { basis_hash, who })).toContain(place);
    await saying(k, said?.plan_id ?? '', { who: 'bert' });
    await settled(k);
    expect(k.receipts[1]).toMatchObject({ outcome: 'applied', approval: { approvers: ['anna', 'bert'] } });
    expect(k.device.writes).toHaveLength(1);
  });

  it('in the same moment of two persons is one plan', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    const both = ['anna', 'bert'].map((who) => say(k, plan_id, { basis_hash, who }));
    const [one, other] = await k.clock.until(Promise.allSettled(both));
    expect([one, other]).toMatchObject([{ status: 'fulfilled' }, { status: 'rejected', reason: { code: 'conflict' } }]);
    await settled(k);
    expect(k.device.writes).toHaveLength(1);
  });

  it('comes too late when its operator has wished for it anew, whatever for, or somebody has said no to that', async () => {
    for (const celsius of [21, 22]) {
      const k = kernel(`${ASKS}, ${SEEN}`);
      const { plan_id, basis_hash } = await fallen(k);
      const newer = await proposed(k, setpoint('412', celsius));
      expect(queue(k)).toEqual([newer]);
      expect(await why(k, plan_id, { basis_hash })).toBe(
        `conflict: ${newer} has taken the place of ${plan_id}: fibric plans show ${newer}`,
      );
      await saying(k, newer, veto);
      await proposed(k, setpoint('412', celsius));
      expect(await why(k, plan_id, { basis_hash })).toContain(`conflict: ${newer} has taken the place`);
      expect(k.device.writes).toHaveLength(0);
    }
  });

  it('leaves what is no state to its own occasion: another one takes nothing’s place, and the key is the same', async () => {
    const k = kernel(ASKS, { policy: PULSE });
    k.say('fcu-412', 'setpoint', 17);
    const plan_id = await proposed(k, ticket(1), { ...ticket(3), after: [] });
    k.say('fcu-412', 'setpoint', 20);
    await saying(k, plan_id);
    await settled(k);
    await saying(k, await proposed(k, ticket(2)));
    await settled(k);
    const basis_hash = planOf(k, plan_id).actions[0]?.anew?.basis_hash ?? '';
    expect(await why(k, plan_id, { basis_hash })).toContain('name one with --action');
    await saying(k, plan_id, { basis_hash, action: 1 });
    await settled(k);
    expect(k.receipts.map(({ outcome, idempotency_key }) => `${outcome.split('_')[0]} ${idempotency_key}`)).toEqual([
      'basis comfort:gate:A:pulse@ev=ticket-1#1',
      'basis comfort:gate:A:pulse@ev=ticket-3#1',
      'applied comfort:gate:A:pulse@ev=ticket-2#1',
      'applied comfort:gate:A:pulse@ev=ticket-1#1',
    ]);
  });

  it('does not outlive the time there was for the first, and what is too old for it is forgotten (G-AP-2)', async () => {
    const k = kernel(`${TWO}, ${SEEN.replace('12m', '1h')}`);
    const { plan_id, basis_hash } = await fallen(k, [setpoint('412', 21)], ['anna', 'bert']);
    const { expires_ms = 0 } = planOf(k, plan_id).actions[0]?.waiting ?? {};
    await k.clock.advance(3 * HOUR);
    k.say('fcu-412', 'occupied', true);
    const said = await saying(k, plan_id, { basis_hash });
    expect(planOf(k, said?.plan_id ?? '').actions[0]?.waiting?.expires_ms).toBe(expires_ms);
    await k.clock.advance(HOUR + MINUTE);
    expect(outcomes(k.receipts)).toEqual(['basis_changed:basis_changed', 'expired:approval_expired']);
    expect(await refusal(k, plan_id, { basis_hash })).toBe('approval_expired');
    await k.propose([setpoint('413', 21)]);
    expect(k.journal.projection.fallen.rows.size).toBe(0);
    expect(planOf(k, plan_id)).toMatchObject({ status: 'basis_changed', actions: [{ changed: [{}], anew: null }] });
    expect(await refusal(k, plan_id, { basis_hash })).toBe('approval_expired');
  });

  it('is judged by the rules of its operator, and refused with what they say of it now', async () => {
    const k = doomed(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    const narrow = `${ASKS}, ${SEEN}, range: { arg: celsius, min: 16, max: 20, unit: degC }`;
    const after = restarted(k, narrow, MINUTE);
    after.say('fcu-412', 'occupied', true);
    expect(await why(after, plan_id, { basis_hash })).toMatch(
      /^conflict: pl_\w+ cannot be approved as things are: blocked: .* \(rc_\w+\)$/,
    );
    await settled(after);
    expect([outcomes(after.receipts), after.device.writes]).toEqual([['blocked:out_of_range'], []]);
    // What was not admitted takes nothing's place.
    expect(queue(after)).toEqual([plan_id]);
  });

  it('waits also where the rules have come to ask for nobody: what was seen is looked at again', async () => {
    const k = doomed(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    const after = restarted(k, SEEN, MINUTE);
    after.say('fcu-412', 'occupied', false);
    await saying(after, plan_id, { basis_hash });
    await settled(after);
    expect(outcomes(after.receipts)).toEqual(['basis_changed:basis_changed']);
  });

  it('is for those to say who may approve, and not while its operator is off or in shadow', async () => {
    const people = new Map([['anna', { roles: ['approver'] }]]);
    const k = kernel(`${ASKS}, ${SEEN}`, { parts: { people } });
    const { plan_id, basis_hash } = await fallen(k);
    expect(await refusal(k, plan_id, { who: 'bert', basis_hash })).toBe('forbidden');
    for (const to of ['disabled', 'shadow'] as const) {
      const mode = { operator: 'comfort', operator_uid: 'comfort', from: 'live', to, site_mode: 'live' } as const;
      k.journal.append({ type: 'mode/1', ...mode, who: 'anna', reason: null });
      expect(await why(k, plan_id, { basis_hash })).toBe(
        `conflict: comfort is ${to} now: nothing that it wished for is sent`,
      );
    }
    expect(queue(k)).toEqual([plan_id]);
  });

  it('lets nothing through a breaker that was not shown with what fell', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    const about = { capability: null, entity_key: 'zone:412', connector: null, reason: 'it failed', refers_to: [] };
    k.journal.append({ type: 'breaker/1', state: 'open', breaker_id: 'br_1', ...about });
    await saying(k, plan_id, { basis_hash });
    await settled(k);
    expect(outcomes(k.receipts)).toEqual(['basis_changed:basis_changed', 'blocked:breaker_open']);
    expect(k.device.writes).toHaveLength(0);
  });

  it('outlives a kill: before it, what fell can be approved as before; between plan and yes, the plan waits for one', async () => {
    const k = kernel(`${ASKS}, ${SEEN}`);
    const { plan_id, basis_hash } = await fallen(k);
    await k.close();
    const second = restarted(k, `${ASKS}, ${SEEN}`, MINUTE, { device: k.device });
    const room = second.executor.approvals;
    const cut = say(second, plan_id, { basis_hash }).catch((error: unknown) => String(error));
    // The plan is on its way to the disk; the yes would come after.
    room.close();
    expect(await second.clock.until(cut)).toContain('the gateway is stopping');
    await second.close();
    expect(fsck(second.dataDir).findings).toEqual([]);
    const third = restarted(k, `${ASKS}, ${SEEN}`, 2 * MINUTE, { device: k.device, bootId: 'boot-3' });
    third.say('fcu-412', 'occupied', true);
    const [waits = ''] = queue(third);
    expect(planOf(third, waits)).toMatchObject({ status: 'proposed', proposed_by: 'person:anna' });
    expect(planOf(third, waits).actions).toMatchObject([{ awaits: true, approvers: [], waiting: { basis_hash } }]);
    expect(seqIn(waits)).toBeGreaterThan(seqIn(plan_id));
    expect(k.device.writes).toHaveLength(0);
    await saying(third, waits);
    await settled(third);
    expect(outcomes(third.receipts)).toEqual(['applied:verified']);
    await third.close();
    expect(fsck(third.dataDir).findings).toEqual([]);
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
