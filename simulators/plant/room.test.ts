import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { driveFanCoil, FAN_COIL_MODES } from './fan-coil.ts';
import { type RoomInput, type RoomState, stepRoom } from './room.ts';
import { fanDemandAt, stepAirHandler } from './air-handler.ts';

const HOUR_MS = 3_600_000;
const START: RoomState = { temperatureC: 20, co2Ppm: 500, humidityPercent: 40 };
const QUIET: RoomInput = { outsideC: 0, sunWm2: 0, people: 0, windowOpen: false, powerW: 0 };

const anyInput = fc.record({
  outsideC: fc.double({ min: -30, max: 40, noNaN: true }),
  sunWm2: fc.double({ min: 0, max: 600, noNaN: true }),
  people: fc.integer({ min: 0, max: 4 }),
  windowOpen: fc.boolean(),
});

describe('a room', () => {
  it('cools towards the outside, faster with the window open', () => {
    const closed = stepRoom(START, QUIET, HOUR_MS).temperatureC;
    const open = stepRoom(START, { ...QUIET, windowOpen: true }, HOUR_MS).temperatureC;
    expect(closed).toBeLessThan(20);
    expect(open).toBeLessThan(closed - 1);
  });

  it('warms when it is heated and cools when it is cooled', () => {
    expect(stepRoom(START, { ...QUIET, powerW: 2_000 }, HOUR_MS).temperatureC).toBeGreaterThan(21);
    const summer = { ...QUIET, outsideC: 30, sunWm2: 200 };
    expect(stepRoom(START, { ...summer, powerW: -1_800 }, HOUR_MS).temperatureC).toBeLessThan(20);
  });

  it('gathers carbon dioxide from people and loses it through the window', () => {
    const slept = stepRoom(START, { ...QUIET, people: 2 }, 4 * HOUR_MS);
    expect(slept.co2Ppm).toBeGreaterThan(900);
    expect(stepRoom(slept, { ...QUIET, windowOpen: true }, HOUR_MS).co2Ppm).toBeLessThan(450);
  });

  it('comes to the same whether a constant hour is lived in one step or in sixty', () => {
    fc.assert(
      fc.property(anyInput, (input) => {
        const once = stepRoom(START, { ...input, powerW: 500 }, HOUR_MS);
        let often = START;
        for (let i = 0; i < 60; i++) often = stepRoom(often, { ...input, powerW: 500 }, HOUR_MS / 60);
        expect(often.temperatureC).toBeCloseTo(once.temperatureC, 6);
        expect(often.co2Ppm).toBeCloseTo(once.co2Ppm, 4);
      }),
    );
  });

  it('stays within what people and machines can do to it, whatever the weather and the setpoint', () => {
    fc.assert(
      fc.property(
        anyInput,
        fc.double({ min: 5, max: 35, noNaN: true }),
        fc.constantFrom(...FAN_COIL_MODES),
        (input, setpointC, mode) => {
          let state = START;
          for (let minute = 0; minute < 24 * 60; minute++) {
            const { powerW } = driveFanCoil(mode, setpointC, state.temperatureC);
            state = stepRoom(state, { ...input, powerW }, 60_000);
            expect(Number.isFinite(state.temperatureC)).toBe(true);
          }
          expect(state.temperatureC).toBeGreaterThan(Math.min(input.outsideC, setpointC) - 1);
          expect(state.temperatureC).toBeLessThan(Math.max(input.outsideC, setpointC) + 60);
          expect(state.humidityPercent).toBeGreaterThan(0);
          expect(state.humidityPercent).toBeLessThanOrEqual(85);
        },
      ),
      { numRuns: 30 },
    );
  });

  it('settles at the setpoint of its fan-coil unit on a cold day', () => {
    let state: RoomState = { ...START, temperatureC: 17 };
    for (let minute = 0; minute < 6 * 60; minute++) {
      const { powerW } = driveFanCoil('heat', 21.5, state.temperatureC);
      state = stepRoom(state, { ...QUIET, outsideC: -5, powerW }, 60_000);
    }
    expect(Math.abs(state.temperatureC - 21.5)).toBeLessThan(0.7);
  });
});

describe('a fan-coil unit', () => {
  it('does nothing within the deadband, heats below it and cools above it', () => {
    expect(driveFanCoil('auto', 21, 21.1).powerW).toBe(0);
    expect(driveFanCoil('auto', 21, 18)).toEqual({ valvePercent: 100, fanPercent: 100, powerW: 2_000 });
    expect(driveFanCoil('auto', 21, 25).powerW).toBeLessThan(0);
  });

  it('only heats in mode heat, only cools in mode cool, and does neither when off', () => {
    expect(driveFanCoil('heat', 17, 25).powerW).toBe(0);
    expect(driveFanCoil('cool', 25, 17).powerW).toBe(0);
    expect(driveFanCoil('off', 25, 17)).toEqual({ valvePercent: 0, fanPercent: 0, powerW: 0 });
    expect(driveFanCoil('fan_only', 25, 17)).toEqual({ valvePercent: 0, fanPercent: 30, powerW: 0 });
  });
});

describe('the air handler', () => {
  it('brings supply air to its setpoint as far as the coil can, and the filter resists as the fan blows', () => {
    let state = { supplyC: 10, fanPercent: 0, filterPa: 60 };
    const input = { outsideC: -5, supplySetpointC: 19, fanDemandPercent: fanDemandAt(9) };
    for (let minute = 0; minute < 60; minute++) state = stepAirHandler(state, input, 60_000);
    expect(state.supplyC).toBeCloseTo(19, 1);
    expect(state.fanPercent).toBeCloseTo(80, 1);
    expect(state.filterPa).toBeGreaterThan(100);
    for (let minute = 0; minute < 60; minute++) {
      state = stepAirHandler(state, { ...input, supplySetpointC: 90 }, 60_000);
    }
    expect(state.supplyC).toBeLessThan(35);
  });
});
