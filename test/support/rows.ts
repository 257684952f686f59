/** Journal rows for tests: the smallest plan, intent and receipt that hang together. */
import { join } from 'node:path';
import type { Outcome } from '@fibric/sdk';
import Database from 'better-sqlite3';
import {
  type Action,
  actionId,
  type Entry,
  idAt,
  type IntentEntry,
  type Origin,
  type PlanEntry,
  type ReceiptEntry,
  type Row,
} from '@fibric/gateway/journal/entries';
import type { Owed } from '@fibric/gateway/journal/inherited';
import type { Journal } from '@fibric/gateway/journal/journal';

/** What is on disk in the journal of a folder, in order. */
export function rowsOf(dataDir: string): readonly Row<Entry>[] {
  const db = new Database(join(dataDir, 'journal.db'), { readonly: true });
  const rows = db.prepare<[], string>('SELECT body FROM entries ORDER BY seq').pluck().all();
  db.close();
  return rows.map((row) => JSON.parse(row) as Row<Entry>);
}

export const origin: Origin = {
  operator: 'comfort',
  operator_uid: 'comfort',
  version: 'local',
  run_id: 'run_1',
  event_id: 'e-1',
  correlation_id: 'co_1',
  proposed_by: 'rules',
  mode: 'live',
};

export function actionOf(plan_id: string, ordinal: number, over: Partial<Action> = {}): Action {
  const intent_key = over.intent_key ?? 'comfort:zone:412:setpoint';
  const occurrence = over.occurrence ?? 'ep=1';
  const revision = over.revision ?? 1;
  return {
    action_id: actionId(plan_id, ordinal),
    plan_id,
    ordinal,
    capability: 'hvac.setpoint',
    connector: 'fcu',
    tool: 'hvac.setpoint',
    device: 'fcu-412',
    effect_class: 'absolute_set',
    args: { zone: '412', celsius: 21.5 },
    value: 21.5,
    entity_key: 'zone:412',
    intent_key,
    occurrence,
    revision,
    idempotency_key: `${intent_key}@${occurrence}#${revision}`,
    fingerprint: 'f1',
    after: [],
    target: [{ point: 'setpoint', value: 21.5 }],
    deadline_ms: 0,
    ...over,
  };
}

export function planOf(plan_id: string, actions: readonly Action[]): PlanEntry {
  return {
    type: 'plan/1',
    plan_id,
    plan_hash: 'h',
    origin,
    reasoner: null,
    trigger: {
      event_id: 'e-1',
      reseller_id: null,
      tenant_id: 't_local',
      workspace_id: null,
      source: 'cron',
      event_type: 'cron.tick',
      correlation_id: 'co_1',
      payload: {},
      agent_id: null,
      session_id: null,
    },
    reasoning: 'because',
    actions: actions.map((action) => ({ status: 'queued', action })),
    state: null,
  };
}

export function intentOf(action: Action, epoch: number): IntentEntry {
  return {
    type: 'intent/1',
    action_id: action.action_id,
    idempotency_key: action.idempotency_key,
    fingerprint: action.fingerprint,
    attempt: 1,
    epoch,
    device: action.device,
    baseline: [{ point: 'setpoint', value: 17 }],
    target: action.target,
    decision: 'ALLOW',
    rule: 'r',
    policy: 'p',
    rules: [],
    evidence: [],
    alert: null,
    lease: null,
  };
}

export function receiptOf(action: Action, outcome: Outcome, epoch: number): ReceiptEntry {
  const {
    capability,
    connector,
    tool,
    effect_class,
    device,
    args,
    value,
    entity_key,
    idempotency_key,
    fingerprint,
    target,
  } = action;
  return {
    type: 'receipt/1',
    object: 'receipt',
    reseller_id: null,
    tenant_id: 't_local',
    workspace_id: null,
    operator: 'comfort',
    version: 'local',
    run_id: 'run_1',
    plan_id: action.plan_id,
    action_id: action.action_id,
    event_id: 'e-1',
    correlation_id: 'co_1',
    proposed_by: 'rules',
    capability,
    connector,
    tool,
    effect_class,
    device,
    args,
    value,
    entity_key,
    idempotency_key,
    fingerprint,
    attempt: 1,
    epoch,
    mode: 'live',
    provenance: 'live',
    policy: { decision: 'allow', rule: 'r', hash: 'p' },
    verdict: { decision: 'ALLOW', rule: 'r', stage: 'act', rules: [] },
    evidence: [],
    inputs: null,
    baseline: [{ point: 'setpoint', value: 17 }],
    target,
    effective: target,
    readback: [],
    device_response: null,
    timeline: { intent_at: null, sent_at: null, answered_at: null },
    outcome,
    reason_code: 'verified',
    reason: 'read back as written',
    reasoning: 'because',
    approver: null,
    approval: null,
    lease: null,
    refers_to: [],
  };
}

/** Appends plan, intent and receipt of one action; returns the action. */
export function appendApplied(journal: Journal, over: Partial<Action> = {}): Action {
  const plan_id = idAt('pl', journal.nextSeq);
  const action = actionOf(plan_id, 0, over);
  journal.append(planOf(plan_id, [action]));
  journal.append(intentOf(action, journal.epoch));
  journal.append(receiptOf(action, 'applied', journal.epoch));
  return action;
}

/** Takes over what `owed` says, as a start does after a journal was lost. */
export function inherit(journal: Journal, { doubts, leases, stop }: Owed): void {
  journal.append({ type: 'inherited/1', gateway_uid: 'gw_lost', epoch: 7, stop });
  for (const doubt of doubts) journal.append({ type: 'inherited_doubt/1', doubt });
  for (const lease of leases) journal.append({ type: 'inherited_lease/1', lease });
}
