/** What a policy is to the oracle: as its author writes it. */
export interface OracleRule {
  readonly id: string;
  readonly match: {
    readonly capability?: string;
    readonly tool?: string;
    readonly connector?: string;
    readonly operator?: string;
    readonly entity?: string;
  };
  readonly decision: 'ALLOW' | 'ALERT' | 'BLOCK';
  readonly maxValue?: number;
  readonly minValue?: number;
  readonly when?: OracleWhen;
  readonly constraints?: OracleConstraints;
}

/** A predicate as its author writes it. */
export type OracleWhen =
  | { readonly all: readonly OracleWhen[] }
  | { readonly any: readonly OracleWhen[] }
  | { readonly not: OracleWhen }
  | Readonly<Record<string, unknown>>;

export interface OracleRange {
  readonly arg: string;
  readonly min?: number;
  readonly max?: number;
  readonly unit: string;
  readonly on_exceed?: string;
}

export interface OracleConstraints {
  readonly quantity?: {
    readonly max_per_run?: number;
    readonly per_window?: { readonly count: number; readonly window: string };
    readonly max_changes_per_day?: number;
  };
  readonly range?: OracleRange;
  readonly pair?:
    | { readonly heat: string; readonly cool: string; readonly min_gap: number }
    | { readonly exclusive: readonly string[] };
  readonly ramp?: { readonly max: number; readonly per: string };
  readonly min_on_off?: { readonly on: string; readonly off: string; readonly point: string };
  readonly settle?: { readonly per_kelvin: string; readonly max: string };
  readonly override?: { readonly hold?: string; readonly release_by?: readonly string[] };
  readonly authority?: { readonly preempt?: readonly string[] };
  readonly lease?: {
    readonly ttl: string;
    readonly max_hold?: string;
    readonly deadman?: string;
    readonly fallback: string | { readonly value: number };
  };
  readonly comfort?: { readonly pmv_abs_max: number; readonly required?: boolean };
  readonly approval?: { readonly required?: boolean; readonly within?: string; readonly approvers?: number };
  readonly alert?: { readonly delivery: string | { readonly within: string } };
  readonly step?: { readonly max: number };
  readonly deadband?: { readonly abs: number };
  readonly min_interval?: string;
  readonly windows?: readonly { readonly days?: string; readonly from: string; readonly to: string }[];
  readonly evidence?: readonly {
    readonly point: string;
    readonly max_age: string;
    readonly allow_uncertain?: boolean;
    readonly agree?: { readonly with: string; readonly within: number };
  }[];
  readonly interlocks?: readonly {
    readonly point: string;
    readonly must_be: boolean | number | string;
    readonly max_age: string;
  }[];
  readonly single_flight?: string;
  readonly on_conflict?: string;
  readonly on_failure?: string;
  readonly on_unknown?: string;
  readonly idempotency?: { readonly scope: string };
}

export interface OraclePolicy {
  readonly version: 1;
  readonly allow: readonly string[];
  readonly limits: Readonly<Record<string, { readonly max_per_run?: number; readonly single_flight?: string }>>;
  readonly rules: readonly OracleRule[];
}

/** What one question is answered with. */
export type Said = 'holds' | 'fails' | 'noop';
