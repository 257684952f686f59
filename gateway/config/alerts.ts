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

/** Where mail servers listen by convention (RFC 6409, RFC 8314, RFC 5321). */
const PORTS = { starttls: 587, implicit: 465, none: 25 } as const;
const address = z.email('expected an address such as duty@example.com');
const smtp = z.strictObject({
  smtp: z.strictObject({
    host: z.string().regex(/^[A-Za-z0-9.:-]{1,255}$/, 'expected the name or address of a mail server'),
    port: z.int().min(1).max(65_535).optional(),
    tls: z.enum(['starttls', 'implicit', 'none']).default('starttls'),
    from: address,
    to: z.array(address).min(1, 'expected at least one address'),
    auth: z.strictObject({ user: slot, pass: slot }).optional(),
  }),
});

export const alertsSchema = z.strictObject({
  to: z
    .array(z.union([file, webhook, smtp], { error: 'expected { file: … }, { webhook: …, secret: … } or { smtp: … }' }))
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
  if ('smtp' in entry) {
    const { port, auth, ...server } = entry.smtp;
    const id = idOf('smtp', `${server.host} ${server.to.join(' ')}`);
    return { kind: 'smtp', id, ...server, port: port ?? PORTS[server.tls], auth: auth ?? null };
  }
  return { kind: 'webhook', id: idOf('webhook', entry.webhook), url: entry.webhook, secret: entry.secret ?? null };
}

/** `data`: absolute path of the data folder, from which files are named. */
export function alertChannels(alerts: Alerts | undefined, data: string): readonly AlertChannel[] {
  return (alerts?.to ?? DEFAULT).map((entry) => channelOf(entry, data));
}

/** Null: it goes nowhere. */
function hostOf(entry: Entry): string | null {
  if ('file' in entry) return null;
  return 'smtp' in entry ? entry.smtp.host : new URL(entry.webhook).hostname;
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
    const host = hostOf(entry);
    const away = host !== null && !isLoopback(host);
    if (away && 'smtp' in entry && entry.smtp.tls === 'none' && entry.smtp.auth !== undefined)
      return [at('the password would go over the network as it is: tls: starttls or implicit')];
    return simulation !== undefined && away ? [at('a simulated site pages nobody outside this machine')] : [];
  });
}
