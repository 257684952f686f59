/** What a payload is before any point looks into it: text or JSON, and from which world. Hostile until proved otherwise. */
import { isUtf8 } from 'node:buffer';
import { LIMITS, PROVENANCES, type Provenance, type World, isoTime, parseTime } from '@fibric/sdk';
import { forbiddenKey, mayHoldForbiddenKey } from './json-path.ts';

/** What a payload says, or in a few words why it says nothing usable. */
export type Parsed<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly reason: string };

type JsonObject = Readonly<Record<string, unknown>>;

function fault(reason: string): { readonly ok: false; readonly reason: string } {
  return { ok: false, reason };
}

/** The text of a payload. */
export function payloadText(payload: Buffer): Parsed<string> {
  if (payload.length > LIMITS.messageBytes) {
    return fault(`${payload.length} bytes, more than ${LIMITS.messageBytes}`);
  }
  return isUtf8(payload) ? { ok: true, value: payload.toString() } : fault('not UTF-8 text');
}

/** The JSON object or array that `text` is. */
export function payloadJson(text: string): Parsed<JsonObject> {
  let root: unknown;
  try {
    root = JSON.parse(text);
  } catch {
    return fault('not JSON');
  }
  if (typeof root !== 'object' || root === null) return fault('not a JSON object');
  const key = mayHoldForbiddenKey(text) ? forbiddenKey(root) : null;
  return key === null ? { ok: true, value: root as JsonObject } : fault(`has a key '${key}'`);
}

/** Whether the site may listen to this payload, and as what (D7): null when it comes from another world. */
export function payloadProvenance(root: JsonObject | null, world: World): Provenance | null {
  const claimed = root?.['provenance'];
  if (world.kind === 'simulated') return claimed === 'simulated' && root?.['world'] === world.id ? 'simulated' : null;
  // A payload can make itself count for less than live, never for more.
  return PROVENANCES.find((provenance) => provenance === claimed) ?? 'live';
}

/** Seconds since 1970 stay below this until the year 5138; milliseconds passed it in 1973. */
const MILLISECONDS_FROM = 1e11;
/** The last moment that a time in JavaScript can be (ECMA-262 §21.4.1.1). */
const LAST_MS = 8.64e15;

/** The device's own time as RFC 3339 UTC; null when it is none. A wrong clock spoils no value. */
export function observedAt(raw: unknown): string | null {
  if (typeof raw === 'number' && raw > 0) {
    const ms = raw >= MILLISECONDS_FROM ? raw : raw * 1_000;
    return ms <= LAST_MS ? isoTime(Math.round(ms)) : null;
  }
  const ms = typeof raw === 'string' ? parseTime(raw) : null;
  return ms === null ? null : isoTime(ms);
}
