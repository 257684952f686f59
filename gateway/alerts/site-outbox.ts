/** The outbox of a site, with its channels as the site file names them. */
import type { Clock, Log, Random } from '@fibric/sdk';
import type { AlertChannel, Site } from '../config/site.ts';
import { createElapsed } from '../executor/elapsed.ts';
import type { Journal } from '../journal/journal.ts';
import type { Channel } from './channel.ts';
import { fileChannel } from './file.ts';
import { createOutbox, type Outbox } from './outbox.ts';
import { smtpChannel } from './smtp.ts';
import { webhookChannel } from './webhook.ts';

export interface SiteOutboxDeps {
  readonly site: Pick<Site, 'alerts' | 'identity' | 'name' | 'simulation'>;
  /** Real time, and the site's own. */
  readonly ioClock: Clock;
  readonly clock: Clock;
  readonly random: Random;
  readonly bootId: string;
  readonly log: Log;
  readonly secret: (slot: string) => string | null;
}

/** `gateway`: the name of the journal, the first half of every page's. */
export function openOutbox(deps: SiteOutboxDeps, journal: Journal, gateway: string): Outbox {
  const { site, clock, bootId } = deps;
  const { tenant_id, workspace_id } = site.identity;
  const provenance = site.simulation ? 'simulated' : 'live';
  return createOutbox({
    ...deps,
    journal,
    channels: site.alerts.map((channel) => channelOf(channel, deps)),
    sender: { gateway, site: site.name, tenant_id, workspace_id, provenance },
    elapsed: createElapsed(clock, bootId, journal.resumedMs),
  });
}

function channelOf(channel: AlertChannel, { ioClock, secret }: SiteOutboxDeps): Channel {
  switch (channel.kind) {
    case 'file':
      return fileChannel(channel.id, channel.path);
    case 'webhook':
      return webhookChannel({ ...channel, clock: ioClock, secretOf: secret });
    case 'smtp':
      return smtpChannel({ ...channel, secretOf: secret });
  }
}
