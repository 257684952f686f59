/**
 * alert: how surely people must be told (G-AL-2). `queued`: told in time; `required_before`: a channel has accepted this very alert;
 * `within`: no longer without any channel than that. Where nobody knows whether people can be told, the stronger two block.
 */
import { duration } from '@fibric/sdk';
import { z } from 'zod';
import type { Facts } from '../types.ts';
import { type Answer, fails, seconds } from './kind.ts';

export const schema = z.strictObject({
  delivery: z.union([z.enum(['queued', 'required_before']), z.strictObject({ within: duration })]),
});
export type Alert = z.output<typeof schema>;

export function check({ delivery }: Alert, { alerts }: Facts): Answer {
  if (delivery === 'queued') return null;
  if (alerts === null) return fails('alert_undeliverable', 'nobody knows whether people can be told');
  if (delivery === 'required_before')
    return alerts.accepted ? null : fails('alert_undelivered', 'no channel has accepted the alert yet');
  if (alerts.unreachable_ms <= delivery.within) return null;
  const long = `no channel could be reached for ${seconds(alerts.unreachable_ms)}`;
  return fails('alert_undeliverable', `${long}, at most ${seconds(delivery.within)} allowed`);
}

/** The surest. */
export function strictest(all: readonly Alert[]): Alert | null {
  if (all.some(({ delivery }) => delivery === 'required_before')) return { delivery: 'required_before' };
  const spans = all.flatMap(({ delivery }) => (typeof delivery === 'object' ? [delivery.within] : []));
  if (spans.length > 0) return { delivery: { within: Math.min(...spans) } };
  return all.length === 0 ? null : { delivery: 'queued' };
}
