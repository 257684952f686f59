/** Lanes: one at a time on whatever is one thing, nobody for ever in front of a closed door. */
import * as fc from 'fast-check';
import { createBindings } from '../bindings.ts';
import { describe, expect, it, onTestFinished } from 'vitest';
import { LIMITS, sleep } from '@fibric/sdk';
import { FakeDevice } from '../../test/support/fake-device.ts';
import { pulse, setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';
import { SITE } from '../../test/simulate/site.ts';
import { Lanes } from './lanes.ts';

describe('lanes', () => {
  it('X2 are held by one at a time, whatever sets are asked for, and everybody is let in or told so in time (row 42)', async () => {
    const names = ['a', 'b', 'c', 'd', 'e'];
    const plan = fc.record({
      alone: fc.subarray(names, { minLength: 1 }),
      beside: fc.subarray(names),
      atMs: fc.integer({ min: 0, max: 60_000 }),
      holdMs: fc.integer({ min: 0, max: 500 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(plan, { minLength: 50, maxLength: 100 }), async (plans) => {
        const clock = new VirtualClock();
        const lanes = new Lanes(clock);
        /** By lane: who has it alone, and how many look at it. */
        const held = new Map<string, { alone: number; beside: number }>(
          names.map((name) => [name, { alone: 0, beside: 0 }]),
        );
        const ends: string[] = [];
        const works = plans.map(async ({ alone, beside, atMs, holdMs }) => {
          await sleep(clock, atMs);
          const asked = clock.monoMs();
          const hold = await lanes.acquire({ alone, beside });
          expect(clock.monoMs() - asked).toBeLessThanOrEqual(LIMITS.laneWaitMs);
          ends.push(hold.kind);
          if (hold.kind !== 'held') return;
          const looked = beside.filter((key) => !alone.includes(key));
          const count = (by: 1 | -1): void => {
            for (const key of alone) (held.get(key) as { alone: number }).alone += by;
            for (const key of looked) (held.get(key) as { beside: number }).beside += by;
          };
          count(1);
          for (const one of held.values()) expect(one.alone + Math.min(1, one.beside)).toBeLessThanOrEqual(1);
          await sleep(clock, holdMs);
          count(-1);
          hold.release();
        });
        await clock.until(Promise.all(works), 600_000);
        expect(ends).toHaveLength(plans.length);
        expect(lanes.waiting).toBe(0);
      }),
      { numRuns: 10 },
    );
  });

  it('are looked at by any number at once, and by nobody while one has it alone', async () => {
    const lanes = new Lanes(new VirtualClock());
    const looks = await Promise.all(['a', 'b'].map((own) => lanes.acquire({ alone: [own], beside: ['shared'] })));
    expect(looks.map(({ kind }) => kind)).toEqual(['held', 'held']);
    void lanes.acquire({ alone: ['shared'], beside: [] });
    expect(lanes.waiting).toBe(1);
  });

  it('let one in at last that needs many, however many want one of them (row 42)', async () => {
    const clock = new VirtualClock();
    const lanes = new Lanes(clock);
    let rounds = 0;
    const busy = async (key: string): Promise<void> => {
      while (rounds < 200) {
        const hold = await lanes.acquire({ alone: [key], beside: [] });
        if (hold.kind !== 'held') return;
        await sleep(clock, 10);
        rounds += 1;
        hold.release();
      }
    };
    const others = [busy('a'), busy('a'), busy('b'), busy('b')];
    await clock.advance(5);
    const both = lanes.acquire({ alone: ['a', 'b'], beside: [] });
    expect(await clock.until(both, 1_000)).toMatchObject({ kind: 'held' });
    expect(rounds).toBeLessThan(20);
    const hold = await both;
    if (hold.kind === 'held') hold.release();
    await clock.until(Promise.all(others), 60_000);
  });

  it('are not waited for by more than a thousand, nor by more than eight at one of them (row 43)', async () => {
    const clock = new VirtualClock();
    const lanes = new Lanes(clock);
    const waits: Promise<unknown>[] = [];
    const kinds = new Map<string, number>();
    const ask = (key: string): void => {
      waits.push(
        lanes.acquire({ alone: [key], beside: [] }).then(({ kind }) => kinds.set(kind, (kinds.get(kind) ?? 0) + 1)),
      );
    };
    for (let lane = 0; lane < 126; lane++) for (let i = 0; i < 1 + LIMITS.laneWaiting; i++) ask(`lane ${lane}`);
    ask('lane 0');
    await clock.advance(1);
    expect(lanes.waiting).toBe(LIMITS.lanesWaiting);
    expect(kinds.get('full')).toBe(126 * LIMITS.laneWaiting - LIMITS.lanesWaiting + 1);
    await clock.advance(LIMITS.laneWaitMs);
    await Promise.all(waits);
    expect(kinds).toEqual(
      new Map([
        ['held', 126],
        ['full', 9],
        ['timeout', LIMITS.lanesWaiting],
      ]),
    );
  });
});

describe('what finds its entity busy', () => {
  const ruled = (word: string) =>
    `version: 1\nrules: [{ id: r, match: { capability: '*.*' }, decision: ALLOW, constraints: { on_conflict: ${word} } }]\n`;

  /** A first wish is at the device; `wishes` come while it is. */
  async function meanwhile(word: string, wishes: readonly ReturnType<typeof setpoint>[]) {
    const k = startKernel({ dataDir: scratchDir(), policy: ruled(word) });
    onTestFinished(() => k.close());
    k.device.values.set('fcu-412/setpoint', 17);
    k.device.onWrite = () => sleep(k.clock, 1_000);
    const all = [setpoint('412', 20), ...wishes].map((wish) => k.executor.submit(k.proposal([wish])));
    const ends = await k.clock.until(Promise.all(all), 60_000);
    return {
      receipts: ends.flatMap(({ receipts }) => receipts),
      sent: k.device.writes.map(({ writes }) => writes[0]?.value),
    };
  }

  it('coalesces: an older wish gives its place to a newer one of the same, and says to which (G-SF-4)', async () => {
    const { receipts, sent } = await meanwhile('coalesce', [
      setpoint('412', 21),
      setpoint('412', 22),
      setpoint('412', 23),
    ]);
    expect(receipts.map(({ outcome, reason_code }) => `${outcome}:${reason_code}`)).toEqual([
      'applied:verified',
      'superseded:coalesced',
      'superseded:coalesced',
      'applied:verified',
    ]);
    expect(receipts[1]?.reason).toContain(receipts[2]?.action_id);
    expect(sent).toEqual([20, 23]);
  });

  it('refuses where the rule says not to wait (row 43)', async () => {
    const { receipts, sent } = await meanwhile('refuse', [setpoint('412', 21)]);
    expect(receipts[1]).toMatchObject({ outcome: 'refused_busy', reason_code: 'entity_locked' });
    expect(sent).toEqual([20]);
  });

  it('waits where no rule says anything, and of a pulse each one is done', async () => {
    expect((await meanwhile('wait', [setpoint('412', 21), setpoint('412', 22)])).sent).toEqual([20, 21, 22]);
    const k = startKernel({ dataDir: scratchDir(), policy: ruled('coalesce') });
    onTestFinished(() => k.close());
    k.device.onWrite = () => sleep(k.clock, 1_000);
    const all = [pulse('B'), pulse('B'), pulse('B')].map((one) => k.executor.submit(k.proposal([one])));
    await k.clock.until(Promise.all(all), 60_000);
    expect(k.device.writes).toHaveLength(3);
  });
});

describe('two names for one register', () => {
  it('X2 are one lane: the second waits for the first (row 41)', async () => {
    const device = new FakeDevice();
    for (const id of ['fcu-412', 'fcu-415', 'panel-415']) device.values.set(`${id}/setpoint`, 17);
    const k = startKernel({ dataDir: scratchDir(), device, parts: { bindings: createBindings(SITE) } });
    onTestFinished(() => k.close());
    const underWay: string[] = [];
    let most = 0;
    device.onWrite = async ({ device: name }) => {
      underWay.push(name);
      most = Math.max(most, underWay.filter((one) => one !== 'fcu-412').length);
      await sleep(k.clock, 50);
      underWay.splice(underWay.indexOf(name), 1);
    };
    const zones = ['415', '415-panel', '412'].map((zone) => setpoint(zone, 20, { after: [] }));
    const receipts = await k.propose(zones);
    expect(receipts.map(({ outcome }) => outcome)).toEqual(['applied', 'applied', 'applied']);
    expect(most).toBe(1);
    // The third zone did not wait for them.
    expect(device.writes.map((write) => write.device)).toEqual(['fcu-415', 'fcu-412', 'panel-415']);
  });
});
