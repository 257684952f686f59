/** What a site may set for `comfort`, with units and defaults. Unknown keys are refused. */
import { duration } from '@fibric/sdk';
import { z } from 'zod';

const clockTime = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 22:00');
const celsius = z.number().min(5).max(35);

export const settingsSchema = z
  .strictObject({
    occupied: celsius.default(21.5).describe('setpoint of a room with somebody in it, °C'),
    vacant: celsius.default(17).describe('setpoint of a room with nobody in it, or with an open window, °C'),
    bounds: z
      .strictObject({ min: celsius.default(16), max: celsius.default(26) })
      .prefault({})
      .describe('nothing outside is ever proposed, °C'),
    hold: duration.prefault('30m').describe('without motion for so long, a room is vacant'),
    night: z
      .strictObject({ from: clockTime.default('22:00'), to: clockTime.default('07:00') })
      .prefault({})
      .describe('local time in which a guest who is in the house is never taken for absent for lack of motion'),
    min_interval: duration.prefault('10m').describe('between two changes of one room; the policy has the same'),
    manual_hold: duration.prefault('2h').describe('for so long a setpoint that somebody chose by hand is left alone'),
    default_rate: z
      .number()
      .min(0.2)
      .max(10)
      .default(1.5)
      .describe('how fast a room warms or cools until its own rate has been measured, K/h'),
    arrival_lead_max: duration.prefault('4h').describe('the earliest start of conditioning before an arrival'),
    late_arrival: duration.prefault('4h').describe('for so long after the booked time a guest is still expected'),
    corridor_hold: duration.prefault('10m').describe('without motion for so long, a corridor is empty'),
    scenes: z
      .strictObject({ people: z.string().default('normal'), empty: z.string().default('dim') })
      .prefault({})
      .describe('lighting scenes of a corridor'),
  })
  .superRefine(({ occupied, vacant, bounds }, context) => {
    for (const [name, value] of Object.entries({ occupied, vacant })) {
      if (value >= bounds.min && value <= bounds.max) continue;
      context.addIssue({
        code: 'custom',
        path: [name],
        message: `${value} °C is outside bounds ${bounds.min} to ${bounds.max} °C`,
      });
    }
  });

/** Durations in milliseconds. */
export type Settings = z.output<typeof settingsSchema>;
