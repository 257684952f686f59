/** For tests: alerts in memory. */
import type { AlertReader, AlertView } from '../journal/alert-reader.ts';

export class MemoryAlerts implements AlertReader {
  readonly rows: AlertView[] = [];

  newest({ limit, before = Number.POSITIVE_INFINITY }: Parameters<AlertReader['newest']>[0]): readonly AlertView[] {
    return this.after(0, this.rows.length)
      .filter(({ seq }) => seq < before)
      .toReversed()
      .slice(0, limit);
  }

  after(after: number, limit: number): readonly AlertView[] {
    return this.rows.filter(({ seq }) => seq > after).slice(0, limit);
  }

  /** The next alert, as a journal would number it. */
  add(text: string): void {
    const seq = this.rows.length + 1;
    this.rows.push({
      ...{ object: 'alert', alert_id: `al_${seq}`, seq, at: '2026-07-01T08:00:00Z', kind: 'alerted', severity: 'info' },
      ...{ operator: 'comfort', capability: 'hvac.setpoint', entity_key: 'zone:412', action_id: null, text },
      state: 'delivered',
    });
  }
}
