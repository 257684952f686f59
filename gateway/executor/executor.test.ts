import { describe, expect, it, onTestFinished } from 'vitest';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { openJournalReader } from '../journal/reader.ts';

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  for (const zone of ['412', '413', '414'])
    if (!device.values.has(`fcu-${zone}/setpoint`)) device.values.set(`fcu-${zone}/setpoint`, 17);
  for (const id of ['A', 'B']) if (!device.values.has(`gate-${id}/counter`)) device.values.set(`gate-${id}/counter`, 7);
  const made = startKernel({ dataDir: scratchDir(), ...options, device });
  onTestFinished(() => made.close());
  return made;
}

/** A kernel that will be left as a killed process leaves it: never stopped. */
function doomedKernel(dataDir: string): Kernel {
  const device = new FakeDevice();
  for (const [id, value] of [
    ['fcu-412/setpoint', 17],
    ['gate-A/counter', 7],
    ['gate-B/counter', 7],
  ] as const)
    device.values.set(id, value);
  return startKernel({ dataDir, device });
}

const outcomes = (receipts: readonly { outcome: string; reason_code: string | null }[]) =>
  receipts.map((r) => `${r.outcome}:${r.reason_code}`);

describe('a write that works', () => {
  it('X1 is sent only after its intent is durable, and ends in one receipt with what was there, asked for and read back', async () => {
    const k = kernel();
    const seen: string[] = [];
    k.device.onWrite = () => {
      const reader = openJournalReader(k.dataDir);
      seen.push(JSON.stringify(reader.verify()));
      reader.close();
    };
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(seen[0]).toContain('"open_intents":1');
    expect(receipt).toMatchObject({
      outcome: 'applied',
      reason_code: 'verified',
      idempotency_key: 'comfort:zone:412:setpoint@ep=1#1',
      baseline: [{ point: 'setpoint', value: 17 }],
      target: [{ point: 'setpoint', value: 21.5 }],
      effective: [{ point: 'setpoint', value: 21.5 }],
      policy: { decision: 'allow', rule: expect.any(String) },
      attempt: 1,
    });
    expect(receipt?.readback).toMatchObject([{ point: 'setpoint', value: 21.5, quality: 'good' }]);
  });

  it('costs two commits: one before the write and one after (G-D-3)', async () => {
    const k = kernel();
    await k.propose([setpoint('413', 19)]);
    const before = k.journal.commits;
    await k.propose([setpoint('412', 21.5)]);
    expect(k.journal.commits - before).toBe(2);
  });

  it('writes nothing when the device is there already', async () => {
    const k = kernel();
    expect(outcomes(await k.propose([setpoint('412', 17)]))).toEqual(['noop:noop']);
    expect(k.device.writes).toHaveLength(0);
  });
});

describe('what the device does', () => {
  it.each([
    ['refuses', ['refuse'], 'failed:illegal_value', 1],
    ['cannot be reached', ['unplugged'], 'failed:disconnected', 1],
    ['acknowledges and does nothing, ever (row 59)', ['ignore'], 'failed:no_effect', 3],
    ['acknowledges and does nothing, once', ['ignore', 'obey'], 'applied:verified', 2],
    ['takes another value (row 60)', [{ take: 19 }], 'failed:device_altered', 1],
    ['obeys without an answer', ['obey_in_silence'], 'applied:inferred_by_readback', 1],
    ['neither answers nor obeys, then obeys', ['ignore_in_silence', 'obey'], 'applied:verified', 2],
    ['never answers and never obeys', ['ignore_in_silence'], 'failed:attempts', 3],
  ] as const)('%s', async (_, behaviours, outcome, writes) => {
    const k = kernel();
    k.device.behaviours = [...behaviours];
    const receipts = await k.propose([setpoint('412', 21.5)]);
    expect(outcomes(receipts)).toEqual([outcome]);
    expect(k.device.writes).toHaveLength(writes);
    expect(receipts[0]?.attempt).toBe(writes);
    expect(new Set(k.device.writes.map((w) => w.idempotencyKey)).size).toBe(1);
  });

  it('is moved by somebody else while in doubt: no second write (row 72)', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore_in_silence'];
    k.device.onWrite = () => void k.device.values.set('fcu-412/setpoint', 23);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['superseded_externally:superseded_externally']);
    expect(k.device.writes).toHaveLength(1);
    expect(k.device.resets).toBe(1);
  });

  it('cannot be read: nothing is sent', async () => {
    const k = kernel();
    k.device.unreadable.add('setpoint');
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt).toMatchObject({
      outcome: 'failed',
      reason_code: 'device_unreadable',
      reason: 'nothing was sent: fcu-412/setpoint reads bad (timeout)',
    });
    expect(k.device.writes).toHaveLength(0);
  });

  it('falls silent after the acknowledgement: applied, but said to be unverified', async () => {
    const k = kernel();
    k.device.onWrite = () => void k.device.unreadable.add('setpoint');
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['applied_unverified:unreadable']);
  });

  it('speaks by itself: what it said last is the baseline, and nothing at all is no obstacle', async () => {
    const k = kernel({ unsolicited: true });
    k.device.read = async (refs) =>
      refs.map((ref) => ({
        ...ref,
        value: k.device.values.get(`${ref.device}/${ref.point}`) ?? null,
        quality: 'good',
        quality_reason: null,
        provenance: 'live',
        observed_at: null,
      }));
    const [first] = await k.propose([setpoint('412', 21.5)]);
    expect(first).toMatchObject({ outcome: 'applied', baseline: [{ point: 'setpoint', value: null }] });
  });

  it('W1 speaks by itself and has not said who it is: nothing is sent until it has (row 71)', async () => {
    const k = kernel({ unsolicited: true, identity: [{ point: 'model', value: 4711 }] });
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['blocked:identity_mismatch']);
    k.say('fcu-412', 'model', 4711);
    await k.clock.advance(60_000);
    expect(outcomes(await k.propose([setpoint('412', 22)]))[0]).toMatch(/^applied/);
    expect(k.device.writes).toHaveLength(1);
  });

  it('is a simulator in a live site: blocked', async () => {
    const k = kernel();
    k.device.provenance = 'simulated';
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt).toMatchObject({ outcome: 'blocked', reason_code: 'not_live', policy: { decision: 'block' } });
    expect(k.device.writes).toHaveLength(0);
  });
});

describe('a pulse', () => {
  it('is proved by its counter', async () => {
    const k = kernel();
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['applied:verified']);
    expect(k.device.values.get('gate-A/counter')).toBe(8);
  });

  it('in doubt that fired is applied by proof, and one that did not is failed; neither is sent again (row 54)', async () => {
    const k = kernel();
    k.device.behaviours = ['obey_in_silence', 'ignore_in_silence'];
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['applied:inferred_by_readback']);
    expect(outcomes(await k.propose([pulse('A')]))).toEqual(['failed:not_applied']);
    expect(k.device.writes).toHaveLength(2);
  });

  it('in doubt without a counter is unknown, and never sent again', async () => {
    const k = kernel();
    k.device.behaviours = ['obey_in_silence'];
    expect(outcomes(await k.propose([pulse('B', { occurrence: 'ev=1' })]))).toEqual(['unknown:unknown']);
    expect(outcomes(await k.propose([pulse('B', { occurrence: 'ev=1' })]))).toEqual(['deduped:deduped']);
    expect(k.device.writes).toHaveLength(1);
  });
});

describe('keys', () => {
  it('X5 does one occasion once: 657 proposals, one write (row 30)', async () => {
    const k = kernel();
    const all: string[] = [];
    for (let i = 0; i < 657; i++) all.push(...outcomes(await k.propose([setpoint('412', 21.5)])));
    expect(all.filter((o) => o === 'applied:verified')).toHaveLength(1);
    expect(all.filter((o) => o === 'deduped:deduped')).toHaveLength(656);
    expect(k.device.writes).toHaveLength(1);
    expect(k.receipts[5]?.refers_to).toEqual([k.receipts[0]?.receipt_id]);
  });

  it('sets the same zone again tomorrow, in a new episode (row 33)', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    k.device.values.set('fcu-412/setpoint', 17);
    await k.clock.advance(24 * 3_600_000);
    const [receipt] = await k.propose([setpoint('412', 21.5)]);
    expect(receipt).toMatchObject({ outcome: 'applied', idempotency_key: 'comfort:zone:412:setpoint@ep=2#1' });
  });

  it('changes its mind inside an episode by the next revision', async () => {
    const k = kernel();
    for (const celsius of [21.5, 17.5, 21.5]) await k.propose([setpoint('412', celsius)]);
    expect(k.receipts.map((r) => r.idempotency_key?.split('@')[1])).toEqual(['ep=1#1', 'ep=1#2', 'ep=1#3']);
    expect(k.receipts.every((r) => r.outcome === 'applied')).toBe(true);
  });

  it('wishes again what another occasion has moved since', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 17.5)]);
    await k.propose([setpoint('412', 21.5, { occurrence: 'ev=BK-7741' })]);
    expect(outcomes(await k.propose([setpoint('412', 17.5)]))).toEqual(['applied:verified']);
    expect(k.receipts.at(-1)?.idempotency_key).toBe('comfort:zone:412:setpoint@ep=2#1');
  });

  it('opens a new episode when somebody else has moved the device since', async () => {
    const k = kernel();
    const [first] = await k.propose([setpoint('412', 21.5)]);
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['deduped:deduped']);
    k.device.values.set('fcu-412/setpoint', 24);
    const seen = k.points.get('fcu-412/setpoint');
    if (seen) k.points.set('fcu-412/setpoint', { ...seen, value: 24 });
    const [second] = await k.propose([setpoint('412', 21.5)]);
    expect([first, second].map((r) => r?.idempotency_key?.split('@')[1])).toEqual(['ep=1#1', 'ep=2#1']);
    expect(second?.outcome).toBe('applied');
  });

  it('refuses the same revision with other arguments, and a gap (rows 31, 32)', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5)]);
    expect(outcomes(await k.propose([setpoint('412', 20, { revision: 1 })]))).toEqual(['blocked:key_conflict']);
    expect(outcomes(await k.propose([setpoint('412', 20, { revision: 3 })]))).toEqual(['blocked:revision_order']);
    expect(outcomes(await k.propose([setpoint('412', 20, { revision: 2 })]))).toEqual(['applied:verified']);
  });

  it('X5 refuses the same event with other arguments', async () => {
    const k = kernel();
    await k.propose([setpoint('412', 21.5, { occurrence: 'ev=BK-7741' })]);
    expect(outcomes(await k.propose([setpoint('412', 20, { occurrence: 'ev=BK-7741' })]))).toEqual([
      'blocked:key_conflict',
    ]);
    expect(outcomes(await k.propose([setpoint('412', 20, { occurrence: 'ev=BK-7742' })]))).toEqual([
      'applied:verified',
    ]);
  });

  it('lets the second of two equal keys in one plan follow the first (row 38)', async () => {
    const k = kernel();
    const twice = [setpoint('412', 21.5, { after: [] }), setpoint('412', 21.5, { after: [] })];
    expect(outcomes(await k.propose(twice)).sort()).toEqual(['applied:verified', 'deduped:deduped']);
    k.device.behaviours = ['refuse'];
    const refused = [setpoint('413', 21.5, { after: [] }), setpoint('413', 21.5, { after: [] })];
    expect(outcomes(await k.propose(refused)).sort()).toEqual(['failed:illegal_value', 'skipped:earlier_failed']);
  });
});

describe('refusals', () => {
  it('X4 blocks everything when there is no policy, or none that grants it', async () => {
    expect(outcomes(await kernel({ policy: null }).propose([setpoint('412', 21.5)]))).toEqual(['blocked:no_policy']);
    expect(
      outcomes(await kernel({ policy: 'version: 1\nallow: [gate.pulse]\n' }).propose([setpoint('412', 21.5)])),
    ).toEqual(['blocked:default_closed']);
  });

  it.each([
    ['a capability outside requires (row 9)', [{ capability: 'lighting.scene', args: {} }], 'blocked:not_in_requires'],
    [
      'arguments that do not fit',
      [{ capability: 'hvac.setpoint', args: { zone: '412', celsius: '26' } }],
      'blocked:bad_args',
    ],
    ['an entity nobody carries', [setpoint('999', 20)], 'blocked:no_device'],
    [
      'a value that contradicts its argument (row 22)',
      [setpoint('412', 20, { value: 5 })],
      'blocked:value_inconsistent',
    ],
    ['an episode it numbered itself', [setpoint('412', 20, { occurrence: 'ep=7' })], 'blocked:bad_key'],
  ])('X3 gives a receipt for %s', async (_, actions, outcome) => {
    const k = kernel();
    expect(outcomes(await k.propose(actions))).toEqual([outcome]);
    expect(k.device.writes).toHaveLength(0);
  });

  it.each([
    ['actions missing (row 2)', { reasoning: 'x' }, 'plan_schema'],
    ['an unknown field (row 2)', { actions: [], extra: 1 }, 'plan_schema'],
    ['__proto__ (row 6)', JSON.parse('{"actions":[],"state":{"__proto__":{"x":1}}}'), 'plan_schema'],
    [
      'a NaN (row 7)',
      { actions: [{ capability: 'hvac.setpoint', args: { zone: '412', celsius: Number.NaN } }] },
      'bad_number',
    ],
    [
      'a lone surrogate (row 8)',
      { actions: [{ capability: 'hvac.setpoint', args: { zone: '\ud800' } }] },
      'bad_string',
    ],
    ['another tenant (row 10)', { actions: [], tenant_id: 't_other' }, 'tenant_mismatch'],
    ['201 actions (row 4)', { actions: Array.from({ length: 201 }, () => setpoint('412', 20)) }, 'plan_too_large'],
    ['text instead of a plan', 'hello', 'plan_schema'],
  ])('rejects a plan with %s as a whole', async (_, plan, code) => {
    const k = kernel();
    expect(await k.propose([], { plan })).toEqual([]);
    const reader = openJournalReader(k.dataDir);
    expect(reader.verify()).toMatchObject({ kind: 'proved', receipts: 0 });
    expect(reader.plans({ limit: 5 })).toEqual([]);
    reader.close();
    expect(k.rejections.at(-1)).toBe(code);
  });

  it('cuts a plan at max_per_run and gives every action beyond it a receipt (row 24)', async () => {
    const k = kernel({ policy: 'version: 1\nallow: [hvac.setpoint]\nlimits: { hvac.setpoint: { max_per_run: 2 } }\n' });
    const receipts = await k.propose(['412', '413', '414'].map((zone) => setpoint(zone, 20)));
    expect(outcomes(receipts)).toEqual(['applied:verified', 'applied:verified', expect.stringMatching(/^truncated:/)]);
  });

  it('rejects the whole plan instead when the rule says so (G-LIM-5)', async () => {
    const policy =
      'version: 1\nrules:\n  - { id: r, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { quantity: { max_per_run: 2, on_overrun: reject_plan } } }\n';
    const k = kernel({ policy });
    const receipts = await k.propose(['412', '413', '414'].map((zone) => setpoint(zone, 20)));
    expect(outcomes(receipts)).toEqual(['rejected:plan_over_cap', 'rejected:plan_over_cap', 'truncated:max_per_run']);
    expect(k.device.writes).toHaveLength(0);
  });

  it('stores an empty plan with its reason (row 3)', async () => {
    const k = kernel();
    await k.propose([], { plan: { reasoning: 'nothing to do', actions: [] } });
    await k.journal.durable();
    const reader = openJournalReader(k.dataDir);
    expect(reader.plans({ limit: 1 })[0]).toMatchObject({
      reasoning: 'nothing to do',
      actions: [],
      status: 'executed',
    });
    reader.close();
  });
});

describe('order', () => {
  it('keeps plan order and does not try what follows a failure (row 47)', async () => {
    const k = kernel();
    k.device.behaviours = ['obey', 'refuse', 'obey'];
    const receipts = await k.propose(['412', '413', '414'].map((zone) => setpoint(zone, 20)));
    expect(outcomes(receipts)).toEqual(['applied:verified', 'failed:illegal_value', 'skipped:earlier_failed']);
  });

  it('goes on after a failure where policy says continue', async () => {
    const policy =
      'version: 1\nrules:\n  - { id: r, match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { on_failure: continue } }\n';
    const k = kernel({ policy });
    k.device.behaviours = ['refuse', 'obey'];
    expect(outcomes(await k.propose(['412', '413'].map((zone) => setpoint(zone, 20))))).toEqual([
      'failed:illegal_value',
      'applied:verified',
    ]);
  });

  it('lets independent actions go on when one fails', async () => {
    const k = kernel();
    k.device.behaviours = ['refuse', 'obey'];
    const receipts = await k.propose(['412', '413'].map((zone) => setpoint(zone, 20, { after: [] })));
    expect(outcomes(receipts)).toEqual(['failed:illegal_value', 'applied:verified']);
  });

  it('X2 never has two writes in flight for one zone (row 40)', async () => {
    const k = kernel();
    let inFlight = 0;
    let most = 0;
    k.device.onWrite = async () => {
      most = Math.max(most, ++inFlight);
      await new Promise((resolve) => setImmediate(resolve));
      inFlight--;
    };
    await Promise.all([20, 19, 18].map((celsius) => k.propose([setpoint('412', celsius)])));
    expect(most).toBe(1);
    expect(k.device.writes).toHaveLength(3);
  });

  it('X6 keeps the lane through a doubt: others on it give up, other zones go on (row 44)', async () => {
    const k = kernel();
    k.device.behaviours = ['ignore_in_silence', 'obey'];
    k.device.onWrite = () => void k.device.unreadable.add('setpoint');
    const stuck = k.propose([setpoint('412', 20)]);
    const waiting = k.propose([setpoint('412', 19)]);
    await k.clock.advance(5_000);
    k.device.unreadable.clear();
    k.device.onWrite = () => undefined;
    expect(outcomes(await k.propose([setpoint('413', 20)]))).toEqual(['applied:verified']);
    k.device.unreadable.add('setpoint');
    expect(outcomes(await waiting)).toEqual(['expired:lane_timeout']);
    expect(outcomes(await stuck)).toEqual(['unknown:unknown']);
  });
});

describe('modes', () => {
  it('propose_only stores the plan, disposes of nothing, and lets it expire after 72 h', async () => {
    const k = kernel({ mode: 'propose_only' });
    expect(await k.propose([setpoint('412', 21.5)])).toEqual([]);
    await k.clock.advance(72 * 3_600_000 + 1_000);
    expect(outcomes(k.receipts)).toEqual(['expired:approval_expired']);
    expect(k.device.writes).toHaveLength(0);
  });

  it('shadow passes every gate on known values and touches no device', async () => {
    const k = kernel({ mode: 'shadow' });
    k.points.set('fcu-412/setpoint', {
      device: 'fcu-412',
      point: 'setpoint',
      entity_key: 'zone:412',
      value: 17,
      unit: 'degC',
      quality: 'good',
      quality_reason: null,
      provenance: 'live',
      observed_at: null,
      received_at: '',
      received_mono_ms: 0,
      changed_mono_ms: 0,
      change_seen: false,
    });
    expect(outcomes(await k.propose([setpoint('412', 21.5)]))).toEqual(['shadow:shadow']);
    expect(k.device.writes).toHaveLength(0);
  });
});

describe('after a crash', () => {
  async function crashDuring(
    behaviour: 'obey' | 'ignore',
    action: ReturnType<typeof pulse> | ReturnType<typeof setpoint>,
  ) {
    const dataDir = scratchDir();
    const first = doomedKernel(dataDir);
    first.device.behaviours = [behaviour];
    let frozen = false;
    first.device.onWrite = () => new Promise(() => void (frozen = true));
    void first.executor.submit(first.proposal([action])).catch(() => undefined);
    await first.clock.advance(1_000);
    expect(frozen).toBe(true);
    if (behaviour === 'obey') {
      if ('zone' in action.args) first.device.values.set('fcu-412/setpoint', 21.5);
      else first.device.values.set('gate-A/counter', 8);
    }
    first.journal.close();
    first.device.onWrite = () => undefined;
    first.device.behaviours = ['obey'];
    const second = kernel({ dataDir, device: first.device, bootId: 'boot-2' });
    await second.clock.advance(60_000);
    return second;
  }

  it.each([
    ['a setpoint that arrived', 'obey', setpoint('412', 21.5), 'applied:inferred_by_readback', 1],
    ['a setpoint that did not', 'ignore', setpoint('412', 21.5), 'failed:not_applied', 1],
    ['a pulse that fired', 'obey', pulse('A'), 'applied:inferred_by_readback', 1],
    ['a pulse that did not', 'ignore', pulse('A'), 'failed:not_applied', 1],
    ['a pulse without proof', 'obey', pulse('B'), 'unknown:unknown', 1],
  ] as const)('J3 settles %s by reading (rows 48, 54, 55)', async (_, behaviour, action, outcome, writes) => {
    const second = await crashDuring(behaviour, action);
    expect(outcomes(second.receipts)).toEqual([outcome]);
    expect(second.device.writes).toHaveLength(writes);
    expect(second.journal.projection.open.rows.size).toBe(0);
  });

  it('remembers what was done: the same occasion is not done again', async () => {
    const second = await crashDuring('obey', setpoint('412', 21.5));
    expect(outcomes(await second.propose([setpoint('412', 21.5)]))).toEqual(['deduped:deduped']);
  });
});
