/** For tests: a plan as it is listed, and what persons said of plans. */
import type { Ask } from '../persons.ts';
import type { Say } from '../executor/approvals.ts';
import type { PlanView } from '../journal/types.ts';
import type { GatewayView } from './view.ts';

const AT = '2026-07-02T08:00:00.000Z';

export function planOf(seq: number, operator = 'comfort', changes: Partial<PlanView> = {}): PlanView {
  return {
    plan_id: `pl_${seq}`,
    object: 'execution_plan',
    plan_hash: 'f'.repeat(64),
    seq,
    operator,
    run_id: 'run_1',
    event_id: 'ev_1',
    correlation_id: 'co_1',
    proposed_by: 'rules',
    mode: 'live',
    status: 'executed',
    reasoning: 'zone 412 is occupied',
    actions: [
      {
        action_id: `act_${seq}`,
        capability: 'hvac.setpoint',
        args: { zone: '412', celsius: 21.5 },
        entity_key: 'zone:412',
        idempotency_key: null,
        outcome: 'applied',
        receipt_id: `rc_${seq}`,
        awaits: false,
        waiting: null,
        approvers: [],
        changed: [],
        anew: null,
      },
    ],
    at: AT,
    ...changes,
  };
}

export function fakePeople(journal: { plan(id: string): PlanView | null }): {
  readonly said: Say[];
  readonly asked: Ask[];
  readonly say: GatewayView['say'];
  readonly propose: GatewayView['propose'];
} {
  const said: Say[] = [];
  const asked: Ask[] = [];
  return {
    said,
    asked,
    async propose(ask) {
      asked.push(ask);
      const proposed_by = `person:${ask.who}` as const;
      const of = { run_id: 'run_8', plan_id: 'pl_8', proposed_by, mode: 'live', rejected: null } as const;
      return { object: 'action', ...of, receipts: [], awaiting: ask.wait ? ['act_8'] : [] };
    },
    async say(say) {
      said.push(say);
      const plan = journal.plan(say.plan_id);
      if (!plan) return null;
      const { plan_hash, actions } = plan;
      const plan_id = say.basis_hash === null ? plan.plan_id : 'pl_8';
      const { decision, who } = say;
      const state = decision === 'veto' ? 'vetoed' : 'approved';
      const of = actions.map(({ action_id }) => ({ action_id, state, approvers: [who], needed: 1 }) as const);
      return { object: 'approval', id: 'ap_9', plan_id, plan_hash, decision, who, actions: of, receipts: [] };
    },
  };
}
