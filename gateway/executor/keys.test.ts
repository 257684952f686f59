/** Keys: what is one occasion, what is another, and that no two things ever share one. */
import * as fc from 'fast-check';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LIMITS, type Receipt } from '@fibric/sdk';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { type Kernel, type KernelOptions, pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { checkKey, type KeyMemory, mintKey } from './keys.ts';

function kernel(options: Partial<KernelOptions> = {}): Kernel {
  const device = options.device ?? new FakeDevice();
  if (!options.device) {
    for (const zone of ['412', '413', '414']) device.values.set(`fcu-${zone}/setpoint`, 17);
    for (const id of ['A', 'B']) device.values.set(`gate-${id}/counter`, 7);
  }
  const made = startKernel({ dataDir: scratchDir(), ...options, device });
  onTestFinished(() => made.close());
  return made;
}

const outcomes = (receipts: readonly { outcome: string; reason_code: string | null }[]) =>
  receipts.map((r) => `${r.outcome}:${r.reason_code}`);

const NOTHING: KeyMemory = { episode: () => null, consumed: () => null, movedMs: () => null, agoMs: () => 0 };
const request = (over: Partial<Parameters<typeof mintKey>[0]> = {}) => ({
  intent_key: 'comfort:zone:412:setpoint',
  effect_class: 'relative_or_pulse' as const,
  fingerprint: 'f',
  occurrence: 'once' as string | null,
  revision: null,
  event_id: 'e-1',
  now_ms: 0,
  mono_ms: 0,
  boot_id: 'boot-1',
  clock_trusted: true,
  terms: null,
  ...over,
});

describe('a key', () => {
  // What the schemas of plans, sites and capabilities let through (row 37).
  const uid = fc.stringMatching(/^[a-z][a-z0-9]{0,5}(-[a-z0-9]{1,3})?$/);
  const kind = fc.stringMatching(/^[a-z]{1,6}$/);
  const id = fc.stringMatching(/^[A-Za-z0-9._/-]{1,8}$/);
  const verb = fc.stringMatching(/^[a-z][a-z0-9_]{0,6}$/);
  const named = fc.tuple(fc.constantFrom('ev', 'win'), fc.stringMatching(/^[A-Za-z0-9._:@/+-]{1,12}$/));
  const occurrence = fc.oneof(
    fc.constant('once'),
    named.map(([word, name]) => `${word}=${name}`),
  );
  const parts = fc.record({ uid, kind, id, verb, occurrence });

  it('belongs to one intent and one occasion only, whatever their names are made of (row 37)', () => {
    const keyOf = (p: { uid: string; kind: string; id: string; verb: string; occurrence: string }): string => {
      const intent_key = `${p.uid}:${p.kind}:${p.id}:${p.verb}`;
      const minted = mintKey(request({ intent_key, occurrence: p.occurrence }), NOTHING);
      return minted.kind === 'key' ? minted.idempotency_key : JSON.stringify(minted);
    };
    fc.assert(
      fc.property(parts, parts, (a, b) => {
        expect(keyOf(a) === keyOf(b)).toBe(JSON.stringify(a) === JSON.stringify(b));
      }),
      { numRuns: 2_000 },
    );
    // Colons are in entities and in occasions: the same letters, cut elsewhere, are another key.
    const cut = (entity: string, occasion: string) =>
      keyOf({ uid: 'a', kind: 'k', id: entity, verb: 'v', occurrence: occasion });
    expect(cut('b', 'ev=x:v@once')).not.toBe(cut('b', 'once'));
  });

  it('of more than 255 characters is refused, not cut (row 37)', async () => {
    const long = mintKey(request({ intent_key: `a:${'b'.repeat(LIMITS.keyChars)}:c` }), NOTHING);
    expect(long).toMatchObject({ kind: 'refused', reason_code: 'bad_key' });
  });

  it.each(['ev=with a blank', 'ev=😀', 'ev=a=b', 'ev=a#2', 'ep=1', 'twice', `ev=${'x'.repeat(121)}`])(
    'is not made of the occasion %s (row 37)',
    async (name) => {
      const k = kernel();
      const receipts = await k.propose([pulse('A', { occurrence: name })]);
      expect([...k.rejections, ...outcomes(receipts)]).toEqual([
        expect.stringMatching(/^(plan_schema|blocked:bad_key)$/),
      ]);
      expect(k.device.writes).toHaveLength(0);
    },
  );

  it('stays when its operator gets another name: what was done is not done again (row 35)', async () => {
    const k = kernel();
    await k.propose([pulse('A', { occurrence: 'ev=T-1' }), setpoint('412', 21)]);
    const operator = { name: 'klima', uid: 'comfort', version: 'local' };
    const again = await k.propose([pulse('A', { occurrence: 'ev=T-1' }), setpoint('412', 21)], { operator });
    expect(outcomes(again)).toEqual(['deduped:deduped', 'deduped:deduped']);
    expect(again[0]?.operator).toBe('klima');
    expect(k.device.writes).toHaveLength(2);
  });

  it('of another operator is another key, also for the same wish (G-K-10)', async () => {
    const k = kernel({ policy: 'version: 1\nallow: [hvac.setpoint, gate.pulse]\n' });
    await k.propose([pulse('A', { occurrence: 'ev=T-1' })]);
    const operator = { name: 'comfort', uid: 'floor', version: 'local' };
    const other = await k.propose([pulse('A', { occurrence: 'ev=T-1' })], { operator });
    expect(other[0]?.idempotency_key).toBe('floor:gate:A:pulse@ev=T-1#1');
  });
});

describe('an occasion', () => {
  it('that is over is refused, not done again (row 36)', () => {
    const action = {
      intent_key: 'comfort:zone:412:setpoint',
      occurrence: 'ep=3',
      revision: 1,
      idempotency_key: 'comfort:zone:412:setpoint@ep=3#1',
      fingerprint: 'f',
    };
    const episode = {
      n: 4,
      opened_ms: 0,
      opened_mono_ms: 0,
      boot_id: 'boot-1',
      minted: 1,
      minted_fingerprint: 'f',
      consumed: null,
    };
    const memory = { ...NOTHING, episode: () => episode };
    expect(checkKey(action, memory as KeyMemory)).toMatchObject({ kind: 'refused', reason_code: 'occurrence_too_old' });
  });

  it('that ended while an action waited for its lane takes the action with it (row 36)', async () => {
    const k = kernel();
    let letGo = (): void => undefined;
    k.device.onWrite = () => new Promise<void>((resolve) => void (letGo = resolve));
    const holds = k.executor.submit(k.proposal([setpoint('412', 23, { occurrence: 'ev=BK-1' })]));
    await k.clock.advance(100);
    const waits = k.executor.submit(k.proposal([setpoint('412', 20)]));
    await k.clock.advance(100);
    // A day passes for the keys while the lane is held: the next wish opens the next episode.
    const { monoMs } = k.clock;
    let ahead = 24 * 3_600_000;
    k.clock.monoMs = () => monoMs.call(k.clock) + ahead;
    const next = k.executor.submit(k.proposal([setpoint('412', 22)]));
    await k.clock.advance(100);
    ahead = 0;
    k.device.onWrite = () => undefined;
    letGo();
    const ends = await k.clock.until(Promise.all([holds, waits, next]));
    expect(outcomes(ends.flatMap(({ receipts }) => receipts)).slice(0, 2)).toEqual([
      'applied:verified',
      'blocked:occurrence_too_old',
    ]);
  });

  it.each(['win=night/2026-10-25', 'win=night/2026-03-29', 'win=day/2028-02-29'])(
    'of a window is one, whichever hour comes twice or not at all: %s (row 39)',
    async (occurrence) => {
      const k = kernel();
      for (let hour = 0; hour < 4; hour++) {
        await k.propose([pulse('A', { occurrence })]);
        await k.clock.advance(3_600_000);
      }
      expect(k.device.writes).toHaveLength(1);
    },
  );

  it('of the next window is the next one (rows 33, 39)', async () => {
    const k = kernel();
    for (const day of ['2026-10-24', '2026-10-25', '2026-10-26'])
      await k.propose([pulse('A', { occurrence: `win=night/${day}` })]);
    expect(k.device.writes).toHaveLength(3);
  });
});

describe('a mind that changes every minute', () => {
  it('stays in one episode and is paced by min_interval (row 34)', async () => {
    const rule = 'match: { capability: hvac.setpoint }, decision: ALLOW, constraints: { min_interval: 10m }';
    const k = kernel({ policy: `version: 1\nrules:\n  - { id: r, ${rule} }\n` });
    for (let minute = 0; minute < 60; minute++) {
      await k.propose([setpoint('412', minute % 2 ? 24 : 22)]);
      await k.clock.advance(60_000);
    }
    expect(k.device.writes.length).toBeLessThanOrEqual(7);
    const keys = k.receipts.flatMap(({ outcome, idempotency_key }) => (outcome === 'applied' ? [idempotency_key] : []));
    expect(keys.every((key) => key?.includes('@ep=1#'))).toBe(true);
    expect(new Set(keys).size).toBe(keys.length);
  });
});

describe('a rule about occasions', () => {
  const MINUTE = 60_000;
  const ruled = (idempotency: string, more = '', options: Partial<KernelOptions> = {}): Kernel => {
    const head = (id: string, capability: string) =>
      `  - { id: ${id}, match: { capability: ${capability} }, decision: ALLOW`;
    const constraints = `constraints: { idempotency: ${idempotency}${more} } }`;
    const rules = [`${head('s', 'hvac.setpoint')}, ${constraints}`, `${head('p', 'gate.pulse')}, ${constraints}`];
    return kernel({ policy: `version: 1\nrules:\n${rules.join('\n')}\n`, ...options });
  };
  const keyed = ({ outcome, reason_code, idempotency_key }: Receipt): string =>
    outcome === 'blocked' ? `blocked:${reason_code}` : `${outcome} ${idempotency_key?.split('@')[1]}`;

  it('max_episode ends an excursion sooner: then the same wish is a new one (G-K-2)', async () => {
    const k = ruled('{ scope: episode, max_episode: 2h }');
    const said = [...(await k.propose([setpoint('412', 21)])), ...(await k.propose([setpoint('412', 21)]))];
    k.device.values.set('fcu-412/setpoint', 17);
    await k.clock.advance(2 * 60 * MINUTE);
    said.push(...(await k.propose([setpoint('412', 21)])));
    expect(said.map(keyed)).toEqual(['applied ep=1#1', 'deduped ep=1#1', 'applied ep=2#1']);
  });

  it('re_arm lets some time pass between the end of one and the beginning of the next, also across a restart (G-K-2)', async () => {
    const RULE = '{ scope: episode, max_episode: 1h, re_arm: 30m }';
    const k = ruled(RULE);
    await k.propose([setpoint('412', 21)]);
    await k.clock.advance(60 * MINUTE + 10 * MINUTE);
    const [early] = await k.propose([setpoint('412', 22)]);
    expect(early).toMatchObject({
      outcome: 'blocked',
      reason_code: 're_arming',
      reason: expect.stringContaining('20m'),
    });
    await k.close();
    const clock = new VirtualClock(k.clock.wallMs() + 5 * MINUTE);
    const next = ruled(RULE, '', { dataDir: k.dataDir, device: k.device, clock, bootId: 'boot-2' });
    expect((await next.propose([setpoint('412', 22)])).map(keyed)).toEqual(['blocked:re_arming']);
    await next.clock.advance(15 * MINUTE);
    expect((await next.propose([setpoint('412', 22)])).map(keyed)).toEqual(['applied ep=2#1']);
  });

  it('re_arm counts from the end of a lease, and from when somebody took the device over', async () => {
    const k = ruled('{ scope: episode, re_arm: 30m }', ', lease: { ttl: 10m, fallback: baseline }');
    await k.propose([setpoint('412', 21)]);
    await k.clock.advance(20 * MINUTE);
    expect(k.device.values.get('fcu-412/setpoint')).toBe(17);
    expect((await k.propose([setpoint('412', 21)])).map(keyed)).toEqual(['blocked:re_arming']);
    await k.clock.advance(25 * MINUTE);
    expect((await k.propose([setpoint('412', 21)])).map(keyed)).toEqual(['applied ep=2#1']);

    const other = ruled('{ scope: episode, re_arm: 30m }');
    await other.propose([setpoint('413', 21)]);
    await other.clock.advance(10 * MINUTE);
    other.device.values.set('fcu-413/setpoint', 25);
    other.say('fcu-413', 'setpoint', 25);
    await other.clock.advance(10 * MINUTE);
    expect((await other.propose([setpoint('413', 21)])).map(keyed)).toEqual(['blocked:re_arming']);
    await other.clock.advance(20 * MINUTE);
    expect((await other.propose([setpoint('413', 21)])).map(keyed)).toEqual(['applied ep=2#1']);
  });

  it('re_arm is not owed for a wish that had no effect', async () => {
    const k = ruled(
      '{ scope: episode, max_episode: 1h, re_arm: 12h }',
      ', range: { arg: celsius, max: 24, unit: degC }',
    );
    await k.propose([setpoint('412', 30)]);
    await k.clock.advance(61 * MINUTE);
    expect((await k.propose([setpoint('412', 21)])).map(keyed)).toEqual([expect.stringContaining('applied')]);
  });

  it.each([
    ['once', [pulse('A'), pulse('A')], ['applied once#1', 'deduped once#1']],
    ['event', [setpoint('412', 21), setpoint('412', 22)], ['applied ev=e', 'applied ev=e']],
    [
      'window',
      [pulse('A'), pulse('A', { occurrence: 'win=night/2026-07-01' })],
      ['blocked:occurrence_missing', 'applied win'],
    ],
    ['episode', [pulse('A'), pulse('A')], ['applied ep=1#1', 'deduped ep=1#1']],
    [
      'event',
      [pulse('A', { occurrence: 'once' }), pulse('A', { occurrence: 'ev=T-1' })],
      ['blocked:scope_mismatch', 'applied ev=T-1#1'],
    ],
    ['episode', [setpoint('412', 21, { occurrence: 'ev=BK-1' })], ['blocked:scope_mismatch']],
  ])('of scope %s says which occasion it is, and refuses another', async (scope, actions, expected) => {
    const k = ruled(`{ scope: ${scope} }`);
    const said: string[] = [];
    for (const action of actions) said.push(...(await k.propose([action])).map(keyed));
    expect(said).toEqual(expected.map((one) => expect.stringContaining(one)));
  });
});
