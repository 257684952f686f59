/**
 * A guarded walk over what a run returned, before it is written down (in the host, for a clear message) and after it is
 * read (in the gateway, because the host may be lying).
 *
 * H2 Nothing passes that JSON cannot carry unchanged, that is nested beyond the cap, or whose keys reach for a prototype.
 */
import { LIMITS } from '@fibric/sdk';

/** Why a value is not acceptable: a reason code, and a sentence that names the place. */
export interface Finding {
  readonly code: 'plan_depth' | 'plan_schema' | 'plan_too_large' | 'bad_number';
  readonly message: string;
}

const FORBIDDEN_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

/** Roughly what punctuation costs per value, so that a million empty lists count as well. */
const VALUE_BYTES = 2;

function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}

class Inspection {
  #left = LIMITS.planBytes;

  value(value: unknown, path: string, depth: number): Finding | null {
    if (!this.#spend(VALUE_BYTES)) return tooLarge();
    switch (typeof value) {
      case 'string':
        return this.#spend(value.length) ? null : tooLarge();
      case 'number':
        // JSON would quietly make 0 of minus zero, and null of what is not finite.
        if (Number.isFinite(value) && !Object.is(value, -0)) return null;
        return { code: 'bad_number', message: `${path} is ${Object.is(value, -0) ? '-0' : value}` };
      case 'boolean':
        return null;
      case 'object':
        return value === null ? null : this.#composite(value, path, depth);
      default:
        return { code: 'plan_schema', message: `${path} is a ${typeof value}, which no plan can hold` };
    }
  }

  #composite(value: object, path: string, depth: number): Finding | null {
    if (depth > LIMITS.planDepth) return { code: 'plan_depth', message: `deeper than ${LIMITS.planDepth} levels` };
    if (Array.isArray(value)) return this.#list(value, path, depth);
    if (!isPlain(value)) return { code: 'plan_schema', message: `${path} is not a plain object` };
    for (const key of Object.keys(value)) {
      const inner = `${path}.${key.slice(0, 50)}`;
      if (FORBIDDEN_KEYS.has(key)) return { code: 'plan_schema', message: `${inner} is not a key a plan may have` };
      const held = (value as Record<string, unknown>)[key];
      // JSON leaves such a member out, which is what its author meant.
      if (held === undefined) continue;
      const found = this.#spend(key.length) ? this.value(held, inner, depth + 1) : tooLarge();
      if (found) return found;
    }
    return null;
  }

  #list(list: readonly unknown[], path: string, depth: number): Finding | null {
    for (let i = 0; i < list.length; i++) {
      const found = this.value(list[i], `${path}.${i}`, depth + 1);
      if (found) return found;
    }
    return null;
  }

  #spend(bytes: number): boolean {
    this.#left -= bytes;
    return this.#left >= 0;
  }
}

function tooLarge(): Finding {
  return { code: 'plan_too_large', message: `larger than ${LIMITS.planBytes} bytes` };
}

/** The first thing about `value` that no plan may hold, or null. Time and memory are bounded by the caps. */
export function inspectPlan(value: unknown): Finding | null {
  return new Inspection().value(value, 'plan', 0);
}

/** The state a plan carries, or null when it carries none. `plan` has passed `inspectPlan`. */
export function stateOf(plan: unknown): Readonly<Record<string, unknown>> | null {
  if (typeof plan !== 'object' || plan === null || Array.isArray(plan)) return null;
  const state = (plan as { state?: unknown }).state;
  return typeof state === 'object' && state !== null && !Array.isArray(state)
    ? (state as Record<string, unknown>)
    : null;
}

/** The sentence that says why a state is too large, or null. */
export function stateTooLarge(state: Readonly<Record<string, unknown>> | null): string | null {
  const bytes = state === null ? 0 : Buffer.byteLength(JSON.stringify(state));
  return bytes > LIMITS.stateBytes ? `state has ${bytes} bytes, at most ${LIMITS.stateBytes}` : null;
}
