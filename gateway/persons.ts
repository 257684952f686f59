/**
 * What persons want done, and systems that speak in their name: a plan of one action, through the same gate as an operator's.
 *
 * U4 There is no other way for a person to a device: admission, policy, lanes, intent and receipt are those of any proposal.
 */
import { type Envelope, makeEnvelope, type Mode, type Receipt } from '@fibric/sdk';
import type { Bindings } from './bindings.ts';
import { PERSON, type Site } from './config/site.ts';
import { argumentsFor } from './executor/arguments.ts';
import type { Ids } from './ids.ts';
import type { Executor } from './kernel.ts';
import type { Modes } from './modes.ts';

/** One action that a person asks for. */
export interface Ask {
  readonly who: string;
  readonly capability: string;
  /** `zone:412`: fills in the argument that names it; null when the arguments name it already. */
  readonly entity: string | null;
  readonly args: Readonly<Record<string, unknown>>;
  /** The quantity that a ceiling applies to, such as the temperature of a setpoint; null: the arguments hold it. */
  readonly value: number | null;
  readonly reason: string | null;
  /** Site wall time after which it must not start any more; null: as long as any other proposal. */
  readonly deadline_ms: number | null;
  /** Which occasion it is meant for, in the words of a plan: the same one is not done twice. Null: the usual one of its effect. */
  readonly occurrence: string | null;
  /** Answer with the receipt; else as soon as the plan is on disk. */
  readonly wait: boolean;
}

export interface Asked {
  readonly object: 'action';
  readonly run_id: string;
  readonly plan_id: string | null;
  readonly proposed_by: `person:${string}`;
  readonly mode: Mode;
  /** Why it was not taken as a plan. */
  readonly rejected: { readonly reason_code: string; readonly reason: string } | null;
  readonly receipts: readonly Receipt[];
  /** Action ids that wait for a person's yes. */
  readonly awaiting: readonly string[];
}

export interface Persons {
  /** Throws `invalid_parameter` where the wish itself makes no sense. */
  propose(ask: Ask): Promise<Asked>;
}

export interface PersonsDeps {
  readonly site: Pick<Site, 'identity' | 'operators'>;
  readonly ids: Ids;
  readonly modes: Modes;
  readonly bindings: Bindings;
  readonly executor: Pick<Executor, 'submit'>;
  readonly emit: (envelope: Envelope) => void;
}

export function createPersons({ site, ids, modes, bindings, executor, emit }: PersonsDeps): Persons {
  // Without an entry in the site file there is no policy either, and everything is blocked.
  const desk = site.operators.find(({ name }) => name === PERSON);
  return {
    async propose(ask) {
      const { who, capability, reason, deadline_ms, occurrence, wait } = ask;
      const args = argumentsFor(bindings.capability(capability), ask);
      const mode = desk ? modes.of(desk) : 'propose_only';
      const run_id = ids.next('run');
      const proposed_by = `person:${who}` as const;
      const event = makeEnvelope(site.identity, {
        event_id: ids.uuid(),
        source: 'gateway',
        event_type: 'action.asked',
        payload: { who, capability, args, reason },
      });
      emit(event);
      const action = { capability, args, ...(occurrence === null ? {} : { occurrence }) };
      const proposal = {
        ...{ run_id, mode, event, proposed_by, reasoner: null, state: null, requires: [capability] },
        ...(deadline_ms === null ? {} : { deadline_ms }),
        operator: { name: PERSON, uid: desk?.uid ?? PERSON, version: 'local' },
        plan: { reasoning: reason ?? `${who} asked for it`, actions: [action] },
      };
      const { plan_id, rejected, receipts, awaiting } = await executor.submit(proposal, wait);
      return { object: 'action', run_id, plan_id, proposed_by, mode, rejected, receipts, awaiting };
    },
  };
}
