import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { leadS, measure, type Measurement, type Rates, UNMEASURED } from './precondition.ts';

/** Feeds one temperature a minute while the unit drives to 21.5 °C. */
function run(
  temperatures: readonly (number | null)[],
  from: Rates = UNMEASURED,
): { rates: Rates; open: Measurement | null } {
  let state: { rates: Rates; open: Measurement | null } = { rates: from, open: null };
  temperatures.forEach((temperature, minute) => {
    state = measure(state.rates, state.open, { now_s: minute * 60, temperature, towards: 21.5 });
  });
  return state;
}

const ramp = (from: number, perMinute: number, minutes: number): number[] =>
  Array.from({ length: minutes }, (_, minute) => from + perMinute * minute);

describe('measuring how fast a room warms and cools', () => {
  test('takes the mean over three quarters of an hour', () => {
    expect(run(ramp(17, 2 / 60, 46)).rates).toEqual({ heat: 2, cool: null });
    expect(run(ramp(26, -3 / 60, 46)).rates).toEqual({ heat: null, cool: 3 });
  });

  test('ends earlier when the room gets there', () => {
    expect(run(ramp(18, 6 / 60, 32)).rates.heat).toBeCloseTo(6, 1);
  });

  test('learns nothing from a few minutes, from a gap in the temperature, or from a room that does not move', () => {
    expect(run(ramp(20, 0.3, 6)).rates).toEqual(UNMEASURED);
    expect(run([...ramp(17, 2 / 60, 30), null, ...ramp(18, 2 / 60, 30)]).rates).toEqual(UNMEASURED);
    expect(run(ramp(18, 0, 60)).rates).toEqual(UNMEASURED);
  });

  test('a new measurement counts for half', () => {
    expect(run(ramp(17, 2 / 60, 46), { heat: 4, cool: 1 }).rates).toEqual({ heat: 3, cool: 1 });
  });

  test('a rate is never beyond what a room can do', () => {
    const temperature = fc.option(fc.double({ min: -20, max: 60, noNaN: true }), { nil: null });
    fc.assert(
      fc.property(fc.array(temperature, { maxLength: 200 }), (temperatures) => {
        const { heat, cool } = run(temperatures).rates;
        for (const rate of [heat, cool]) if (rate !== null) expect(rate >= 0.2 && rate <= 10).toBe(true);
      }),
    );
  });
});

describe('the lead before an arrival', () => {
  const facts = { temperature: 18, target: 21.5, rates: UNMEASURED, default_rate: 1.5, max_s: 4 * 3_600 };

  test('follows from the rate, with a margin', () => {
    expect(leadS(facts)).toBeCloseTo((3.5 / 1.5) * 3_600 + 600);
    expect(leadS({ ...facts, rates: { heat: 3, cool: null } })).toBeCloseTo((3.5 / 3) * 3_600 + 600);
    expect(leadS({ ...facts, temperature: 25, rates: { heat: 3, cool: 7 } })).toBeCloseTo(0.5 * 3_600 + 600);
  });

  test('is at least a quarter of an hour, at most what the site allows, and that without a temperature', () => {
    expect(leadS({ ...facts, temperature: 21.5 })).toBe(900);
    expect(leadS({ ...facts, temperature: 5 })).toBe(4 * 3_600);
    expect(leadS({ ...facts, temperature: null })).toBe(4 * 3_600);
  });
});
