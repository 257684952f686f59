/** Where a site wants its people told: the channels of `alerts.to`, and what no schema can see of them. */
import { resolve } from 'node:path';
import { hash } from 'node:crypto';
import type { Finding } from '@fibric/policy';
import { z } from 'zod';
import type { AlertChannel } from './site.ts';
import type { Source } from './source.ts';
import { isLoopback, slot } from './words.ts';

const file = z.strictObject({ file: z.string().min(1).max(1_000) });
const webhook = z.strictObject({
  webhook: z.url({ protocol: /^https?$/, error: 'expected a URL such as https://hooks.example.com/fibric' }),
  secret: slot.optional(),
});

export const alertsSchema = z.strictObject({
  to: z
    .array(z.union([file, webhook], { error: 'expected { file: … } or { webhook: …, secret: … }' }))
    .min(1, 'name at least one channel, or leave alerts out: they go to a file in the data folder'),
});

type Alerts = z.output<typeof alertsSchema>;
type Entry = Alerts['to'][number];

/** Where pages go when a site names nothing. */
const DEFAULT: readonly Entry[] = [{ file: 'alerts.ndjson' }];

/** Not the address itself: that of a webhook is often a secret. */
const idOf = (kind: string, place: string): string => `${kind}-${hash('sha256', place, 'hex').slice(0, 8)}`;

function channelOf(entry: Entry, data: string): AlertChannel {
  if ('file' in entry) {
    const path = resolve(data, entry.file);
    return { kind: 'file', id: idOf('file', entry.file), path };
  }
  return { kind: 'webhook', id: idOf('webhook', entry.webhook), url: entry.webhook, secret: entry.secret ?? null };
}

/** `data`: absolute path of the data folder, from which files are named. */
export function alertChannels(alerts: Alerts | undefined, data: string): readonly AlertChannel[] {
  return (alerts?.to ?? DEFAULT).map((entry) => channelOf(entry, data));
}

export function checkAlerts(
  source: Source,
  { alerts, simulation }: { readonly alerts?: Alerts | undefined; readonly simulation?: object | undefined },
): readonly Finding[] {
  const first = new Map<string, number>();
  return (alerts?.to ?? []).flatMap((entry, i) => {
    const at = (message: string): Finding => source.at(['alerts', 'to', i], message);
    const { id } = channelOf(entry, '/');
    const before = first.get(id);
    if (before !== undefined) return [at(`this is alerts.to[${before}] once more`)];
    first.set(id, i);
    const away = 'webhook' in entry && !isLoopback(new URL(entry.webhook).hostname);
    return simulation !== undefined && away ? [at('a simulated site pages nobody outside this machine')] : [];
  });
}
