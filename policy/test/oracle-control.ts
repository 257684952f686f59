/** The oracle's questions about motion, comfort, people and leases. */
import type { Facts } from '../types.ts';
import { holds, lookup, moved, ms, usable } from './oracle-facts.ts';
import type { OracleConstraints, Said } from './oracle-types.ts';

/** What concerns the device. */
export function motions({ pair, ramp, min_on_off, settle, comfort }: OracleConstraints, facts: Facts): (() => Said)[] {
  const asked: (() => Said)[] = [];
  const ours = facts.changes.filter(({ by }) => by === 'us');
  if (pair) asked.push(() => holds('heat' in pair ? gapKept(pair, facts) : apart(pair.exclusive, facts)));
  if (ramp) {
    const recent = ours.filter(({ ago_ms }) => ago_ms < ms(ramp.per));
    let sum = 0;
    for (const { delta } of [...recent, { delta: moved(facts) }]) sum += Math.abs(delta ?? Number.NaN);
    const whole = facts.changes_reach_ms === null || facts.changes_reach_ms >= ms(ramp.per);
    asked.push(() => holds(whole && Math.round(sum * 1e9) / 1e9 <= ramp.max));
  }
  if (min_on_off) asked.push(() => holds(rested(min_on_off, facts)));
  if (settle && ours[0]) {
    const { ago_ms, delta } = ours[0];
    const wanted = delta === null ? Infinity : Math.abs(delta) * ms(settle.per_kelvin);
    asked.push(() => holds(ago_ms >= wanted || ago_ms >= ms(settle.max)));
  }
  if (comfort) asked.push(() => holds(comfortable(comfort, facts)));
  return asked;
}

/** What a point would be: as written, else as read back; undefined when it may not be relied on. */
function would(name: string, facts: Facts): unknown {
  const own = `${facts.action.entity_key}/`;
  const ref = name.includes('/') ? name : own + name;
  const [kind, id] = [facts.action.entity_key.split(':')[0], facts.action.entity_key.split(':').slice(1).join(':')];
  if (ref.includes('{id}') && (kind === '' || id === '')) throw new Error('no id');
  const full = ref.replaceAll('{id}', id);
  const written = facts.writes.find((write) => own + write.point === full);
  if (written) return written.value;
  const point = facts.point(full);
  return usable(point, ms('5m'), false, facts) ? point?.value : undefined;
}

function gapKept(pair: { heat: string; cool: string; min_gap: number }, facts: Facts): boolean {
  const [heat, cool] = [would(pair.heat, facts), would(pair.cool, facts)];
  if (typeof heat !== 'number' || typeof cool !== 'number') return false;
  return Math.round((cool - heat) * 1e9) / 1e9 >= pair.min_gap;
}

function apart(names: readonly string[], facts: Facts): boolean {
  const states = names.map((name) => would(name, facts));
  if (states.includes(undefined)) return false;
  if (states.some((state) => typeof state === 'string' || Number.isNaN(state))) throw new Error('neither on nor off');
  return states.filter(Boolean).length <= 1;
}

function rested(rule: NonNullable<OracleConstraints['min_on_off']>, facts: Facts): boolean {
  const point = lookup(rule.point, facts);
  if (!usable(point, Infinity, false, facts)) return false;
  if (typeof point?.value === 'string') throw new Error('a word');
  return Number(point?.unchanged_ms) >= ms(point?.value ? rule.on : rule.off);
}

function comfortable(
  { pmv_abs_max, required = false }: NonNullable<OracleConstraints['comfort']>,
  facts: Facts,
): boolean {
  const air = facts.writes[0]?.value;
  if (typeof air !== 'number' || (facts.current?.unit ?? 'degC') !== 'degC') return !required;
  const damp = lookup('zone:{id}/humidity', facts);
  if (!usable(damp, ms('15m'), false, facts) || typeof damp?.value !== 'number') return !required;
  const vote = pmv(air, damp.value);
  return Number.isNaN(vote) ? !required : Math.abs(vote) <= pmv_abs_max;
}

/** ISO 7730 for still air at 0.1 m/s, radiant as air, 1.2 met and 0.7 clo, iterated as annex D of the standard does; NaN outside. */
function pmv(air: number, humidity: number): number {
  const vapour = humidity * 10 * Math.exp(16.6536 - 4030.183 / (air + 235));
  if (!(air >= 10 && air <= 30 && humidity >= 0 && humidity <= 100 && vapour <= 2_700)) return Number.NaN;
  const [insulation, heat, kelvin] = [0.155 * 0.7, 1.2 * 58.15, air + 273];
  const area = 1.05 + 0.645 * insulation;
  const forced = 12.1 * Math.sqrt(0.1);
  let surface = kelvin + (35.5 - air) / (3.5 * (6.45 * insulation + 0.1));
  let convection = forced;
  for (let i = 0; i < 60; i++) {
    convection = Math.max(forced, 2.38 * Math.abs(surface - kelvin) ** 0.25);
    const radiant = 3.96 * ((kelvin / 100) ** 4 - (surface / 100) ** 4);
    const next =
      (308.7 - 0.028 * heat + insulation * area * (radiant + convection * kelvin)) /
      (1 + insulation * area * convection);
    surface = (surface + next) / 2;
  }
  const skin = 3.05e-3 * (5_733 - 6.99 * heat - vapour);
  const breath = 1.7e-5 * heat * (5_867 - vapour) + 0.0014 * heat * (34 - air);
  const dry = area * (3.96 * ((surface / 100) ** 4 - (kelvin / 100) ** 4) + convection * (surface - kelvin));
  const vote = (0.303 * Math.exp(-0.036 * heat) + 0.028) * (heat - skin - 0.42 * (heat - 58.15) - breath - dry);
  return Math.abs(vote) <= 2 ? vote : Number.NaN;
}

/** What concerns people, leases and channels. */
export function people(c: OracleConstraints, facts: Facts): (() => Said)[] {
  const { override, authority, lease, approval, alert } = c;
  const asked: (() => Said)[] = [];
  if (override) asked.push(() => holds(handsOff(override, facts)));
  if (authority) {
    const mayTake = (names: readonly string[]): boolean =>
      names.some((name) => authority.preempt?.includes(name) === true);
    asked.push(() =>
      holds(
        facts.holders !== null && facts.holders.every((h) => mayTake([h.operator, h.class]) && h.held_ms >= ms('60s')),
      ),
    );
  }
  if (lease) asked.push(() => holds(lendable(lease, facts)));
  if (approval && approval.required !== false) {
    const { within = '72h', approvers = 1 } = approval;
    const has = facts.approval;
    asked.push(() =>
      holds(has !== null && new Set(has.approvers).size >= approvers && has.age_ms <= ms(within) && !has.basis_changed),
    );
  }
  if (alert && alert.delivery !== 'queued') {
    const { delivery } = alert;
    const alerts = facts.alerts;
    const reached = (): boolean =>
      typeof delivery === 'string'
        ? alerts?.accepted === true
        : (alerts?.unreachable_ms ?? Infinity) <= ms(delivery.within);
    asked.push(() => holds(reached()));
  }
  return asked;
}

function handsOff(
  { hold = '4h', release_by = ['timer', 'operator'] }: NonNullable<OracleConstraints['override']>,
  facts: Facts,
): boolean {
  const seen = facts.override;
  if (seen?.kind !== 'past') return seen?.kind === 'none';
  return (
    (seen.released && release_by.includes('operator')) || (seen.ago_ms >= ms(hold) && release_by.includes('timer'))
  );
}

function lendable({ max_hold, deadman, fallback }: NonNullable<OracleConstraints['lease']>, facts: Facts): boolean {
  const has = facts.lease;
  if (has === null) return false;
  if (deadman === 'device' && has.deadman !== 'device') return false;
  if (deadman === 'gateway' && has.deadman !== 'device' && has.deadman !== 'gateway') return false;
  const way = typeof fallback === 'object' ? 'value' : fallback;
  if (!has.fallbacks.some((one) => one === way)) return false;
  return max_hold === undefined || (has.held_ms ?? 0) < ms(max_hold);
}
