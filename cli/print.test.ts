import { receiptOf } from '@fibric/gateway/api/fixture';
import { planOf } from '@fibric/gateway/api/people-fixture';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Bench, startBench } from './harness.ts';

let bench: Bench;

beforeAll(async () => {
  bench = await startBench();
});
afterAll(() => bench.close());
beforeEach(() => bench.clear());

const here = (...args: readonly string[]) => bench.here(...args);

describe('what people read', () => {
  test('receipts show fits a screen and answers what, who, why, which rule, before and after', async () => {
    bench.view.journal.write(1);
    const { out } = await here('receipts', 'show', 'rc_2');
    expect(out).toBe(
      [
        'receipt   rc_2  applied  2026-07-02 08:00:00Z',
        'what      hvac.setpoint zone=412 celsius=21.5 on zone:412 → fcu-412 via fcu',
        'who       comfort (local) by rules, mode live',
        'why       zone 412 is occupied: 17 → 21.5 degC',
        'rule      ALLOW by comfort-setpoint at motion, policy cccccccccccc',
        'evidence  zone:412/occupied = true, good, simulated, 1.2s old',
        'change    setpoint: before 17, asked 21.5, read back 21.5 (good)',
        'device    modbus ok in 3 ms',
        'outcome   applied',
        'trail     plan pl_1, run run_1, event ev_1, co_2',
        'key       op:zone:412:setpoint@ep=2#1',
        'chain     seq 2, attempt 1, simulated, hash bbbbbbbbbbbbbbbb',
        '',
      ].join('\n'),
    );
  });

  test('show --json is one document, the receipt as it is', async () => {
    bench.view.journal.write(1);
    bench.view.journal.planRows.push(planOf(3));
    expect(JSON.parse((await here('receipts', 'show', 'rc_2', '--json')).out)).toEqual(bench.view.journal.rows[0]);
    expect(JSON.parse((await here('plans', 'show', 'pl_3', '--json')).out)).toEqual(planOf(3));
  });

  test('what a device or an operator says cannot steer the terminal, and is whole for programs', async () => {
    const reasoning = 'fine\u001b[2J\u001b]0;owned\u0007\nreceipt  rc_9  applied\u009b1A';
    bench.view.journal.write(1, { reasoning });
    const shown = (await here('receipts', 'show', 'rc_2')).out;
    expect(shown).toContain('why       fine [2J ]0;owned \n          receipt  rc_9  applied 1A\n');
    expect(JSON.parse((await here('receipts', 'show', 'rc_2', '--json')).out).reasoning).toBe(reasoning);
  });

  test('plans show names each action and its receipt', async () => {
    bench.view.journal.planRows.push(planOf(3));
    const { out } = await here('plans', 'show', 'pl_3');
    expect(out).toContain('why      zone 412 is occupied');
    expect(out).toContain('hvac.setpoint  zone:412  zone=412 celsius=21.5  applied  rc_3');
  });

  test('plans show says what an action waits for, on what basis, and who said yes', async () => {
    const basis = [
      { of: 'zone:412/motion', value: false, quality: 'good', tolerance: 0 },
      { of: 'zone:412/temperature', value: 21.4, quality: 'good', tolerance: 0.8 },
    ] as const;
    const rules = [{ rule: 'comfort', decision: 'allow', stage: 'grant', reason: 'permits it' }] as const;
    const hashes = { policy_hash: 'a'.repeat(64), basis_hash: 'b'.repeat(64) };
    const breakers = ['br_7'];
    const waiting = { approvers: 2, expires_ms: Date.parse('2026-07-02T12:00:00Z'), breakers, ...hashes, rules, basis };
    const [action = null] = planOf(5).actions;
    if (action === null) throw new Error('a plan without an action');
    const open = { outcome: null, receipt_id: null, awaits: true, waiting, approvers: ['anna'] };
    bench.view.journal.planRows.push(
      planOf(3),
      planOf(5, 'comfort', { status: 'proposed', actions: [{ ...action, ...open }] }),
    );
    const { out } = await here('plans', 'show', 'pl_5');
    expect(out).toContain('waits for 2 persons until 2026-07-02 12:00:00Z: anna');
    expect(out).toContain('br_7 open: fibric breakers ls');
    expect(out).toContain('allow comfort (grant): permits it');
    expect(out).toContain('zone:412/temperature = 21.4, good, may move by 0.8');
    expect((await here('plans', 'ls', '--waiting')).out).toContain('pl_5');
    expect((await here('plans', 'ls', '--waiting')).out).not.toContain('pl_3');
  });

  test('plans show says what an action fell for, old and new, and how to approve it on that (G-AP-3)', async () => {
    const [action = null] = planOf(5).actions;
    if (action === null) throw new Error('a plan without an action');
    const tool = { of: 'fcu-412 hvac.setpoint', tolerance: 0, quality: null };
    const basis = [{ of: 'zone:412/motion', value: false, quality: 'good', tolerance: 0 } as const];
    const hashes = { policy_hash: null, basis_hash: 'b'.repeat(64) };
    const waiting = { approvers: 1, expires_ms: 0, breakers: [], ...hashes, rules: [], basis };
    const changed = [
      { of: 'zone:412/motion', was: { value: false, quality: 'good' }, is: { value: null, quality: 'bad' } },
      { of: tool.of, was: { value: 'd'.repeat(64), quality: null }, is: { value: 'e'.repeat(64), quality: null } },
    ] as const;
    const anew = { basis_hash: `0123456789ab${'c'.repeat(52)}`, expires_ms: Date.parse('2026-07-02T12:00:00Z') };
    const fell = { ...action, outcome: 'basis_changed', waiting, approvers: ['anna'], changed } as const;
    bench.view.journal.planRows.push(
      planOf(5, 'comfort', { status: 'basis_changed', actions: [{ ...fell, anew: { ...anew, plan_id: null } }] }),
      planOf(7, 'comfort', { status: 'basis_changed', actions: [{ ...fell, anew: { ...anew, plan_id: 'pl_9' } }] }),
    );
    expect((await here('plans', 'ls')).out).toMatch(/pl_5 .* basis_changed /);
    const { out } = await here('plans', 'show', 'pl_5');
    expect(out).toContain('zone:412/motion was false, good, and was found –, bad');
    expect(out).toContain(`fcu-412 hvac.setpoint was ${'d'.repeat(12)}, and was found ${'e'.repeat(12)}\n`);
    expect(out).toContain(
      'may be approved on what was found, until 2026-07-02 12:00:00Z: fibric plans approve pl_5 --basis 0123456789ab --as <who>',
    );
    expect((await here('plans', 'show', 'pl_7')).out).toContain('pl_9 has taken its place: fibric plans show pl_9');
    const yes = await here('plans', 'approve', 'pl_5', '--basis', '0123456789ab', '--as', 'anna');
    expect(yes.out).toBe('pl_8 takes the place of pl_5\nact_5 approved by anna, ap_9\n');
    await here('plans', 'approve', 'pl_5', '--basis', '0123', '--as', 'anna');
    expect(bench.view.said).toMatchObject([{ basis_hash: anew.basis_hash }, { basis_hash: '0123' }]);
  });

  test('plans approve and veto are said in the name of a person, of the plan that was read', async () => {
    bench.view.journal.planRows.push(planOf(3));
    expect((await here('plans', 'approve', 'pl_3')).code).toBe(2);
    expect((await here('plans', 'approve', 'pl_3', '--as', 'anna', '--action', '1')).out).toBe(
      'act_3 approved by anna, ap_9\n',
    );
    expect((await here('plans', 'veto', 'pl_3', '--as', 'bert', '--reason', 'no')).out).toContain('vetoed by bert');
    expect(bench.view.said).toMatchObject([
      { decision: 'approve', who: 'anna', action: 1, plan_hash: 'f'.repeat(64) },
      { decision: 'veto', who: 'bert', action: null, reason: 'no' },
    ]);
  });

  test('operators run prints one line a step', async () => {
    bench.view.nextReceipts = [receiptOf(2), receiptOf(4, { outcome: 'blocked' }), receiptOf(6)];
    const { out } = await here('operators', 'run', 'comfort', '--once');
    expect(out.split('\n')).toEqual([
      'sensed    occupancy.read (2 entities)',
      'proposed  3 actions in pl_7: zone 412 is occupied',
      'disposed  2 applied, 1 blocked',
      'receipts  3 receipts rc_2 rc_4 rc_6',
      '',
    ]);
  });

  test('operators mode changes it, in the name of a person', async () => {
    expect((await here('operators', 'mode', 'comfort', 'shadow')).out).toBe('comfort is shadow\n');
    expect(bench.view.modeChanges.at(-1)).toBe('person:local comfort shadow');
    await here('operators', 'mode', 'comfort', 'live');
  });

  test('status, whoami, sync status, points read and connectors test', async () => {
    expect((await here('status')).out).toContain('world       simulated w1, 60 × real time\n');
    expect((await here('whoami')).out).toContain('tenant     t_local\n');
    expect((await here('sync', 'status')).out).toBe('off: the site has no upstream\n');
    expect((await here('points', 'read', 'room-412/temperature')).out).toContain('21.4 degC');
    expect((await here('connectors', 'test', 'fcu')).out).toBe('fcu  connected in 3 ms: unit 12 answered\n');
  });

  test('doctor names what is wrong and what to do, and exits 1', async () => {
    bench.view.notReady = ['no policy is in force'];
    const { code, out } = await here('doctor');
    expect(code).toBe(1);
    expect(out).toContain('ok   token: only its owner can read it\n');
    expect(out).toContain('BAD  ready: no policy is in force\n');
    expect(out).toContain(
      'BAD  capability bookings.read: required by comfort and bound to nothing\n     Add it to `bindings`',
    );
  });
});
