import { describe, expect, it } from 'vitest';
import { setpoint, startKernel } from '../../test/support/kernel.ts';
import { scratchDir } from '../../test/support/scratch.ts';
import { VirtualClock } from '../../test/support/virtual-clock.ts';

const NIGHT = 'win=night/2026-07-01';
const WINDOWED = `version: 1
rules:
  - id: by-day
    match: { capability: hvac.setpoint }
    decision: ALLOW
    constraints: { windows: [ { from: "00:00", to: "24:00" } ] }
`;

/** Real time with a wall that can be set: order and durations must not notice. */
class Unsteady extends VirtualClock {
  off = 0;

  override wallMs(): number {
    return super.wallMs() + this.off;
  }
}

describe('a clock that is not trusted (row 91)', () => {
  const at1970 = { clock: new VirtualClock(60_000), clockTrusted: () => false };

  it('closes every window and mints none; what needs no time of day goes on', async () => {
    const windowed = startKernel({ dataDir: scratchDir(), policy: WINDOWED, ...at1970 });
    expect((await windowed.propose([setpoint('412', 21)]))[0]).toMatchObject({
      outcome: 'blocked',
      reason_code: 'clock_untrusted',
    });
    await windowed.close();
    const kernel = startKernel({ dataDir: scratchDir(), ...at1970 });
    const receipts = await kernel.propose([
      setpoint('412', 21, { occurrence: NIGHT }),
      setpoint('413', 21, { occurrence: 'ev=BK-1' }),
      setpoint('414', 21),
    ]);
    expect(receipts.map(({ outcome, reason_code }) => [outcome, reason_code])).toEqual([
      ['blocked', 'clock_untrusted'],
      ['applied', 'verified'],
      ['applied', 'verified'],
    ]);
    await kernel.close();
  });
});

describe('a clock that jumps (row 92)', () => {
  it.each([10 * 365 * 86_400_000, -3_600_000])(
    'by %d ms ends no episode, opens none, and opens no window again',
    async (by) => {
      const clock = new Unsteady();
      const kernel = startKernel({ dataDir: scratchDir(), clock });
      const first = await kernel.propose([setpoint('412', 21), setpoint('413', 21, { occurrence: NIGHT })]);
      expect(first.map(({ outcome }) => outcome)).toEqual(['applied', 'applied']);
      clock.off = by;
      const again = await kernel.propose([setpoint('412', 21), setpoint('413', 21, { occurrence: NIGHT })]);
      expect(again.map(({ outcome, idempotency_key }) => [outcome, idempotency_key])).toEqual([
        ['deduped', first[0]?.idempotency_key],
        ['deduped', first[1]?.idempotency_key],
      ]);
      await kernel.close();
    },
  );

  it('and the episode still ends after its time', async () => {
    const clock = new Unsteady();
    const kernel = startKernel({ dataDir: scratchDir(), clock });
    const [first] = await kernel.propose([setpoint('412', 21)]);
    clock.off = -3_600_000;
    await clock.advance(24 * 3_600_000);
    const [next] = await kernel.propose([setpoint('412', 21)]);
    expect([first?.idempotency_key, next?.idempotency_key]).toEqual([
      'comfort:zone:412:setpoint@ep=1#1',
      'comfort:zone:412:setpoint@ep=2#1',
    ]);
    await kernel.close();
  });
});
