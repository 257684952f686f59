/** Where pages go. */
import type { Identity } from '@fibric/sdk';
import type { Page } from '../journal/alerts.ts';

/** A way to reach people. */
export interface Channel {
  /** The same for as long as it leads to the same place: deliveries are remembered by it. Holds no secret. */
  readonly id: string;
  /** What people call it. Holds no secret. */
  readonly label: string;
  /** Resolves when the far end has taken the page; throws an error whose message says why not, without secrets. */
  send(message: PageMessage, signal: AbortSignal): Promise<void>;
}

/** Whose pages they are. */
export interface Sender extends Pick<Identity, 'tenant_id' | 'workspace_id'> {
  readonly gateway: string;
  readonly site: string;
  readonly provenance: 'live' | 'simulated';
}

/** A page as it is sent. `gateway` and `id` together name it for ever: what comes twice is to be kept once. */
export interface PageMessage
  extends Sender,
    Pick<Page, 'id' | 'severity' | 'kind' | 'kinds' | 'count' | 'operator' | 'capability' | 'entity_key' | 'text'> {
  readonly object: 'alert';
  readonly action_id: string | null;
  readonly at: string;
}

export function messageFrom(sender: Sender, page: Page): PageMessage {
  const { id, severity, kind, kinds, count, operator, capability, entity_key, action_id, text, at } = page;
  const what = { severity, kind, text, count, kinds, operator, capability, entity_key, action_id, at };
  return { object: 'alert', id, ...sender, ...what };
}

/** The name under which a receiver keeps a page once. */
export const keyOf = ({ gateway, id }: PageMessage): string => `${gateway}:${id}`;

/** One line for people. */
export function headline({ site, severity, text, count }: PageMessage): string {
  const more = count === 1 ? '' : ` (${count} alerts)`;
  return `[${severity}] ${site}: ${text}${more}`;
}
