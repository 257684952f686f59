/** The change about to be made to the leading point: a number, from a value freshly read to the one to be written. */
import type { Facts } from '../types.ts';
import { type Answer, fails } from './kind.ts';

export type Change =
  | { readonly kind: 'change'; readonly from: number; readonly to: number; readonly by: number; readonly unit: string }
  | { readonly kind: 'unknown'; readonly answer: Answer };

/** What is about to be written to the leading point when it is a number, else null. */
export function leadingTarget({ writes }: Facts): number | null {
  const value = writes[0]?.value;
  return typeof value === 'number' ? value : null;
}

/** The change, or why there is none to compare: `what` names the constraint that asks. */
export function change(what: string, facts: Facts): Change {
  const { current } = facts;
  const target = leadingTarget(facts);
  const unknown = (reason_code: string, reason: string): Change => ({
    kind: 'unknown',
    answer: fails(reason_code, reason),
  });
  if (target === null || !Number.isFinite(target)) {
    return unknown('target_unknown', `${what} compares numbers, and what is about to be written is none`);
  }
  if (current === null || typeof current.value !== 'number' || !Number.isFinite(current.value)) {
    return unknown('current_unknown', `${what} compares with the device's present value, which is not known`);
  }
  if (current.provenance !== facts.real) {
    return unknown('not_live', `the device's present value is ${current.provenance}, only ${facts.real} counts here`);
  }
  if (current.quality !== 'good') {
    return unknown('current_unknown', `${what} compares with the device's present value, which is ${current.quality}`);
  }
  const by = exact(Math.abs(target - current.value));
  const unit = current.unit === null ? '' : ` ${current.unit}`;
  return { kind: 'change', from: current.value, to: target, by, unit };
}

/** In binary 21.5 − 21.3 is a little less than 0.2; to a person, and to a deadband of 0.2, it is 0.2. */
export function exact(value: number): number {
  const billionths = Math.round(value * 1e9);
  return Number.isSafeInteger(billionths) ? billionths / 1e9 : Number(value.toFixed(9));
}
