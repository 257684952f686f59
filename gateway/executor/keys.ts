/**
 * Idempotency keys for things that must happen again: `intent @ occurrence # revision` (execution §2.7).
 * Minted once, by this code, never by a model (G-K-1).
 */
import { type EffectClass, LIMITS } from '@fibric/sdk';
import type { Consumed, ConsumedKey, Episode } from '../journal/projection.ts';

/** When a key is minted, on every clock there is. */
export interface KeyTime {
  readonly now_ms: number;
  readonly mono_ms: number;
  readonly boot_id: string;
  /** The wall clock may be believed: without that there is no telling which window it is (G-K-8). */
  readonly clock_trusted: boolean;
}

export interface KeyRequest extends KeyTime {
  readonly intent_key: string;
  readonly effect_class: EffectClass;
  readonly fingerprint: string;
  readonly occurrence: string | null;
  readonly revision: number | null;
  /** The event that woke the run: the occasion of anything that is neither a state nor called by a key of its own. */
  readonly event_id: string;
}

export type Minted =
  | { readonly kind: 'key'; readonly occurrence: string; readonly revision: number; readonly idempotency_key: string }
  | { readonly kind: 'refused'; readonly reason_code: string; readonly reason: string };

/** What the journal remembers, as far as keys need it. */
export interface KeyMemory {
  readonly episode: (intentKey: string) => Episode | null;
  readonly consumed: (key: string) => Omit<ConsumedKey, 'key'> | null;
  /** Somebody else, or another occasion, has moved what the episode set last: a good reading of the device differs from it. */
  readonly movedSince: (consumed: Consumed) => boolean;
}

/**
 * An excursion ends with its lease, and after `maxEpisodeMs`, by the monotonic clock within one boot (G-CL-3). Across boots only the wall
 * is left; one that went back ends it, rather than stretch it.
 */
function isOpen(episode: Episode, { now_ms, mono_ms, boot_id }: KeyRequest): boolean {
  const age = episode.boot_id === boot_id ? Math.max(0, mono_ms - episode.opened_mono_ms) : now_ms - episode.opened_ms;
  return !episode.closed && age >= 0 && age < LIMITS.maxEpisodeMs;
}

function key(request: KeyRequest, occurrence: string, revision: number): Minted {
  const idempotency_key = `${request.intent_key}@${occurrence}#${revision}`;
  if (idempotency_key.length > LIMITS.keyChars) {
    return refused(
      'bad_key',
      `the key has ${idempotency_key.length} characters, at most ${LIMITS.keyChars}: ${idempotency_key.slice(0, 80)}…`,
    );
  }
  return { kind: 'key', occurrence, revision, idempotency_key };
}

function refused(reason_code: string, reason: string): Minted {
  return { kind: 'refused', reason_code, reason };
}

/** The next revision inside an open episode: the same wish keeps its revision, a changed mind gets the next. */
function mintEpisode(request: KeyRequest, memory: KeyMemory): Minted {
  const current = memory.episode(request.intent_key);
  const moved = current?.consumed && memory.movedSince(current.consumed);
  if (!current || moved || !isOpen(current, request)) {
    if (request.revision !== null && request.revision !== 1) {
      return refused('revision_order', `revision ${request.revision} opens an episode; it must be 1`);
    }
    return key(request, `ep=${(current?.n ?? 0) + 1}`, 1);
  }
  const same = current.minted_fingerprint === request.fingerprint;
  const revision = request.revision ?? (same ? current.minted : current.minted + 1);
  if (revision === current.minted && !same) {
    return refused(
      'key_conflict',
      `revision ${revision} already stands for other arguments; raise it by one to change them`,
    );
  }
  if (revision !== current.minted && revision !== current.minted + 1) {
    return refused('revision_order', `revision ${revision} does not follow ${current.minted}`);
  }
  return key(request, `ep=${current.n}`, revision);
}

/** The occasion that applies when the plan names none: an episode for a state, once for a keyed call, else the waking event. */
function defaultOccurrence(request: KeyRequest): string {
  return request.effect_class === 'keyed_call' ? 'once' : `ev=${request.event_id}`;
}

export function mintKey(request: KeyRequest, memory: KeyMemory): Minted {
  if (request.occurrence?.startsWith('ep=')) {
    return refused(
      'bad_key',
      `occurrence ${request.occurrence}: episodes are numbered by the gateway; leave the occurrence out`,
    );
  }
  if (request.occurrence?.startsWith('win=') && !request.clock_trusted)
    return refused('clock_untrusted', `the clock is not trusted, so nobody knows whether it is ${request.occurrence}`);
  if (request.occurrence === null && request.effect_class === 'absolute_set') return mintEpisode(request, memory);
  const occurrence = request.occurrence ?? defaultOccurrence(request);
  const revision = request.revision ?? 1;
  if (revision > 1 && !memory.consumed(`${request.intent_key}@${occurrence}#${revision - 1}`)) {
    return refused(
      'revision_order',
      `revision ${revision} of ${occurrence} comes before revision ${revision - 1} has taken effect`,
    );
  }
  return key(request, occurrence, revision);
}

export type Dedup =
  | { readonly kind: 'fresh' }
  | { readonly kind: 'deduped'; readonly receipt_id: string }
  | { readonly kind: 'refused'; readonly reason_code: string; readonly reason: string };

interface KeyedAction {
  readonly intent_key: string;
  readonly occurrence: string;
  readonly revision: number;
  readonly idempotency_key: string;
  readonly fingerprint: string;
}

/** Same key, same arguments: done already. Same key, other arguments: a conflict, never a silent success (G-K-3, G-K-4). */
export function checkKey(action: KeyedAction, memory: KeyMemory): Dedup {
  const conflict = (): Dedup => ({
    kind: 'refused',
    reason_code: 'key_conflict',
    reason: `${action.idempotency_key} took effect with other arguments`,
  });
  if (!action.occurrence.startsWith('ep=')) {
    const done = memory.consumed(action.idempotency_key);
    if (!done) return { kind: 'fresh' };
    return done.fingerprint === action.fingerprint ? { kind: 'deduped', receipt_id: done.receipt_id } : conflict();
  }
  const episode = memory.episode(action.intent_key);
  if (episode && (episode.closed || action.occurrence !== `ep=${episode.n}`)) {
    return {
      kind: 'refused',
      reason_code: 'occurrence_too_old',
      reason: `${action.occurrence} has ended; ep=${episode.closed ? episode.n + 1 : episode.n} is current`,
    };
  }
  const consumed = episode?.consumed;
  if (!consumed || action.revision > consumed.revision) return { kind: 'fresh' };
  if (action.revision < consumed.revision) {
    return {
      kind: 'refused',
      reason_code: 'revision_order',
      reason: `revision ${consumed.revision} has taken effect since`,
    };
  }
  return consumed.fingerprint === action.fingerprint
    ? { kind: 'deduped', receipt_id: consumed.receipt_id }
    : conflict();
}
