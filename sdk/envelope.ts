/**
 * The event envelope: the one shape in which anything that happened travels. Exactly ten keys, always all present.
 *
 * E1 An envelope has exactly the ten keys; absence is null, never a missing key.
 * E2 `event_id` and the tenancy come from the box, never from a device's payload.
 */
import { z } from 'zod';
import type { PointValue, Provenance, Quality, QualityReason } from './reading.ts';

/** Lower-case, dotted, at least two segments. */
export const EVENT_TYPE_PATTERN = /^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$/;

export const envelopeSchema = z.strictObject({
  event_id: z.string(),
  reseller_id: z.string().nullable(),
  tenant_id: z.string().min(1),
  workspace_id: z.string().nullable(),
  source: z.string().min(1),
  event_type: z.string().regex(EVENT_TYPE_PATTERN),
  correlation_id: z.string().min(1),
  payload: z.record(z.string(), z.unknown()),
  agent_id: z.string().nullable(),
  session_id: z.string().nullable(),
});

export interface Envelope {
  readonly event_id: string;
  readonly reseller_id: string | null;
  readonly tenant_id: string;
  readonly workspace_id: string | null;
  readonly source: string;
  readonly event_type: string;
  readonly correlation_id: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly agent_id: string | null;
  readonly session_id: string | null;
}

/** Who the site is. Stamped on every envelope, plan and receipt. */
export interface Identity {
  readonly tenant_id: string;
  readonly reseller_id: string | null;
  readonly workspace_id: string | null;
}

/** Something in the site that is sensed or acted on, such as `zone:412`. */
export interface Entity {
  readonly kind: string;
  readonly id: string;
}

/** The payload of a reading's envelope. Times are RFC 3339 UTC. */
export interface ReadingPayload {
  readonly entity: Entity;
  readonly point: string;
  readonly value: PointValue;
  readonly unit: string | null;
  readonly quality: Quality;
  readonly quality_reason: QualityReason | null;
  readonly provenance: Provenance;
  readonly observed_at: string | null;
  readonly received_at: string;
  readonly device: string;
}

/** `kind:id` of an entity. */
export function entityKey(entity: Entity): string {
  return `${entity.kind}:${entity.id}`;
}

/** An entity from `kind:id`, or null when `key` is not of that form. */
export function parseEntityKey(key: string): Entity | null {
  const match = /^([a-z][a-z0-9_-]*):([A-Za-z0-9._/-]{1,100})$/.exec(key);
  return match ? { kind: match[1] as string, id: match[2] as string } : null;
}

/** What the maker of an envelope decides; the rest is the box's. */
export interface EnvelopeFields {
  readonly event_id: string;
  readonly source: string;
  readonly event_type: string;
  readonly payload: Readonly<Record<string, unknown>>;
  /** Kept by everything derived from this envelope. Left out: this envelope starts a thread of its own. */
  readonly correlation_id?: string;
  readonly agent_id?: string | null;
  readonly session_id?: string | null;
}

/** Builds a frozen envelope of exactly ten keys (E1). The payload is frozen as well, one level deep. */
export function makeEnvelope(identity: Identity, fields: EnvelopeFields): Envelope {
  return Object.freeze({
    event_id: fields.event_id,
    reseller_id: identity.reseller_id,
    tenant_id: identity.tenant_id,
    workspace_id: identity.workspace_id,
    source: fields.source,
    event_type: fields.event_type,
    correlation_id: fields.correlation_id ?? `co_${fields.event_id}`,
    payload: Object.freeze(fields.payload),
    agent_id: fields.agent_id ?? null,
    session_id: fields.session_id ?? null,
  });
}
