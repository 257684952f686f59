/**
 * Idempotency keys for things that must happen again: `intent @ occurrence # revision` (execution §2.7).
 * Minted once, by this code, never by a model (G-K-1).
 */
import type { Idempotency } from '@fibric/policy';
import { type EffectClass, formatDuration, LIMITS } from '@fibric/sdk';
import type { Mark } from '../journal/leases.ts';
import { type Consumed, type ConsumedKey, type Episode, shortFingerprint } from '../journal/projection.ts';

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
  /** What the rules say of occasions; null where none does. */
  readonly terms: Idempotency | null;
}

export type Minted =
  | { readonly kind: 'key'; readonly occurrence: string; readonly revision: number; readonly idempotency_key: string }
  | { readonly kind: 'refused'; readonly reason_code: string; readonly reason: string };

/** What the journal remembers, as far as keys need it. */
export interface KeyMemory {
  readonly episode: (intentKey: string) => Episode | null;
  readonly consumed: (key: string) => Omit<ConsumedKey, 'key'> | null;
  /**
   * How long ago somebody else, or another occasion, moved what the episode set last; null while no good reading of the device differs
   * from it.
   */
  readonly movedMs: (consumed: Consumed) => number | null;
  /** How long ago that was, as far as it can be proved. */
  readonly agoMs: (mark: Mark) => number;
}

/** By the monotonic clock within one boot (G-CL-3). Across boots only the wall is left; below zero when that went back. */
function ageOf(episode: Episode, { now_ms, mono_ms, boot_id }: KeyRequest): number {
  return episode.boot_id === boot_id ? Math.max(0, mono_ms - episode.opened_mono_ms) : now_ms - episode.opened_ms;
}

/**
 * How long ago an excursion ended; null while it lasts. It ends with its lease, when somebody takes the device over, and after the longest
 * time it may last; a wall clock that went back ends it now, rather than stretch it.
 */
function endedMs(episode: Episode, request: KeyRequest, memory: KeyMemory): number | null {
  const age = ageOf(episode, request);
  const longest = Math.min(request.terms?.max_episode ?? LIMITS.maxEpisodeMs, LIMITS.maxEpisodeMs);
  const moved = episode.consumed && memory.movedMs(episode.consumed);
  if (episode.closed) return memory.agoMs(episode.closed);
  if (age < 0) return 0;
  return age >= longest ? Math.max(age - longest, moved ?? 0) : moved;
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
  const ended = current && endedMs(current, request, memory);
  if (!current || ended !== null) {
    // What had no effect was no excursion, and needs no rest.
    const rest = current?.consumed ? (request.terms?.re_arm ?? 0) - (ended ?? 0) : 0;
    if (rest > 0)
      return refused('re_arming', `the last excursion ended too lately: the next may begin in ${formatDuration(rest)}`);
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

type Scope = Idempotency['scope'];

/** The scope that applies when neither plan nor rules name one: an episode for a state, once for a keyed call, else the waking event. */
const USUAL: Readonly<Record<EffectClass, Scope>> = {
  absolute_set: 'episode',
  keyed_call: 'once',
  relative_or_pulse: 'event',
  message: 'event',
};

const SCOPES: Readonly<Record<string, Scope>> = { once: 'once', ev: 'event', win: 'window' };

const scopeOf = (occurrence: string): Scope | null => SCOPES[occurrence.split('=', 1)[0] ?? ''] ?? null;

/** Why the occasion that the plan names is not one that the rules have in mind, or null. */
function outOfScope({ occurrence, terms }: KeyRequest): Minted | null {
  if (terms === null) return null;
  if (occurrence === null && terms.scope === 'window')
    return refused(
      'occurrence_missing',
      'a rule asks for one window a time, and the plan names none: win=<name>/<date>',
    );
  if (occurrence === null || scopeOf(occurrence) === terms.scope) return null;
  return refused('scope_mismatch', `the plan says ${occurrence}, and a rule asks for one ${terms.scope} a time`);
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
  const mismatch = outOfScope(request);
  if (mismatch) return mismatch;
  const scope = request.terms?.scope ?? USUAL[request.effect_class];
  if (request.occurrence === null && scope === 'episode') return mintEpisode(request, memory);
  const occurrence = request.occurrence ?? (scope === 'once' ? 'once' : `ev=${request.event_id}`);
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
    const same = done.short_fingerprint === shortFingerprint(action.fingerprint);
    return same ? { kind: 'deduped', receipt_id: done.receipt_id } : conflict();
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
