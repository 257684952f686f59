/**
 * comfort: the predicted mean vote (ISO 7730) of the room that the action would make must stay near neutral. The air temperature is
 * the one about to be set. Outside the model, or without an input, a required rule blocks and another says so (fault row 84).
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import { predict } from '../comfort/pmv.ts';
import type { Facts } from '../types.ts';
import { leadingTarget } from './change.ts';
import { gate, pointRef } from './gate.ts';
import { type Answer, fails, short } from './kind.ts';

export const schema = z.strictObject({
  pmv_abs_max: z.number().positive().max(3),
  required: z.boolean().default(false),
  /** Metabolic rate, in met: 1.2 is sedentary office work (ISO 7730 annex B). */
  met: z.number().positive().default(1.2),
  /** Clothing, in clo: 0.7 is trousers and a long-sleeved shirt with little over it (ISO 7730 annex C). */
  clo: z.number().min(0).default(0.7),
  air_speed: z.number().min(0).default(0.1),
  humidity: pointRef.default('zone:{id}/humidity'),
  /** Mean radiant temperature; that of the air where nobody measures it. */
  radiant: pointRef.optional(),
  max_age: duration.prefault('15m'),
});
type Comfort = z.output<typeof schema>;

export function check(comfort: Comfort, facts: Facts): Answer {
  const vote = predicted(comfort, facts);
  if (typeof vote === 'string') {
    const reason = `comfort cannot be judged: ${vote}`;
    return comfort.required
      ? fails('comfort_unknown', reason)
      : { kind: 'note', reason_code: 'comfort_unknown', reason };
  }
  if (Math.abs(vote) <= comfort.pmv_abs_max) return null;
  const found = `the predicted mean vote would be ${short(vote)}`;
  return fails('discomfort', `${found}, between −${comfort.pmv_abs_max} and ${comfort.pmv_abs_max} needed`);
}

/** The vote, or why there is none. */
function predicted({ met, clo, air_speed, humidity, radiant, max_age }: Comfort, facts: Facts): number | string {
  const air = leadingTarget(facts);
  if (air === null) return 'no temperature is about to be set';
  const unit = facts.current?.unit ?? 'degC';
  if (unit !== 'degC') return `the temperature is set in ${unit}`;
  const damp = gate({ point: humidity, max_age, allow_uncertain: false }, facts);
  if (damp.kind === 'refused') return damp.reason;
  const warm = radiant === undefined ? null : gate({ point: radiant, max_age, allow_uncertain: false }, facts);
  if (warm?.kind === 'refused') return warm.reason;
  const mean = warm === null ? air : warm.fact.value;
  if (typeof damp.fact.value !== 'number' || typeof mean !== 'number')
    return 'humidity or radiant temperature is no number';
  const vote = predict({
    air_c: air,
    radiant_c: mean,
    air_speed_ms: air_speed,
    humidity_percent: damp.fact.value,
    met,
    clo,
  });
  return vote?.pmv ?? 'its inputs are outside what ISO 7730 was made for';
}
