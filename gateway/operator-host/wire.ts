/**
 * The frames between the gateway and an operator host: one JSON document a line. What the gateway sends is trusted;
 * what the host sends comes from a process in which an operator's code runs, and is checked in `frames.ts`.
 */
import type { Envelope, Trigger } from '@fibric/sdk';
import type { Reasoning } from '../reasoner.ts';

export interface Now {
  readonly utc: string;
  readonly zone: string;
  readonly local: string;
}

/** What an operator says it is. */
export interface Description {
  readonly name: string;
  readonly goal: string;
  readonly requires: readonly string[];
  readonly triggers: readonly Trigger[];
  readonly model: string | null;
  readonly has_rules: boolean;
}

export type ToHost =
  | { readonly t: 'init'; readonly file: string; readonly settings: Readonly<Record<string, unknown>> }
  /** After `ready`: what is bound, who reasons, and what the operator remembers. */
  | {
      readonly t: 'begin';
      readonly bound: Readonly<Record<string, readonly string[]>>;
      readonly reasoning: Reasoning;
      readonly state: Readonly<Record<string, unknown>>;
    }
  /** What was remembered turned out not to have been committed: go on from this. */
  | { readonly t: 'state'; readonly state: Readonly<Record<string, unknown>> }
  | { readonly t: 'run'; readonly run: string; readonly event: Envelope; readonly now: Now }
  | { readonly t: 'sensed'; readonly call: number; readonly value: unknown }
  | { readonly t: 'unsensed'; readonly call: number; readonly message: string };

export type FromHost =
  | { readonly t: 'ready'; readonly description: Description }
  /** The operator cannot be loaded, or the settings do not fit it. */
  | { readonly t: 'broken'; readonly message: string }
  | {
      readonly t: 'sense';
      readonly run: string;
      readonly call: number;
      readonly capability: string;
      readonly args: Readonly<Record<string, unknown>>;
    }
  | { readonly t: 'plan'; readonly run: string; readonly plan: unknown; readonly reasoned: boolean }
  | { readonly t: 'failed'; readonly run: string; readonly code: string; readonly message: string };
