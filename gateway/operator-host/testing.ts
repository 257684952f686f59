/** For tests: operators written on the spot, a clock that stands still until it is told otherwise, and a log to look into. */
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Clock, type Envelope, type Log, makeEnvelope, sleep } from '@fibric/sdk';
import { onTestFinished } from 'vitest';
import { createReasoner, type Reasoner } from '../reasoner.ts';
import { systemClock } from '../system.ts';

export const IDENTITY = { tenant_id: 't_local', reseller_id: null, workspace_id: 'ws_test' };

/** A folder with `operator.ts` in it, readable by everybody as an installed one is; gone when the test is. */
export function operatorFolder(source: string, others: Readonly<Record<string, string>> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'fibric-operator-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  chmodSync(folder, 0o755);
  for (const [name, text] of Object.entries({ 'operator.ts': source, ...others }))
    writeFileSync(join(folder, name), text);
  return folder;
}

/** The source of an operator named `probe` with this body of `run`. */
export function probe(run: string, more = ''): string {
  return `import { defineOperator } from '@fibric/sdk';
import { z } from 'zod';
export default defineOperator({
  name: 'probe', goal: 'Try things.', requires: ['points.read', 'climate.read', 'point.set'],
  ${more}
  async run(ctx: any) { ${run} },
});
void z;
`;
}

export interface ManualClock extends Clock {
  /** Moves time on and calls what has come due, in order. */
  advance(ms: number): void;
}

export function manualClock(): ManualClock {
  // 2026-07-02T10:00:00Z
  const startMs = 1_782_986_400_000;
  let nowMs = 0;
  let timers: { readonly atMs: number; readonly fn: () => void }[] = [];
  return {
    wallMs: () => startMs + nowMs,
    monoMs: () => nowMs,
    after(delayMs, fn) {
      const timer = { atMs: nowMs + delayMs, fn };
      timers.push(timer);
      return { cancel: () => void (timers = timers.filter((other) => other !== timer)) };
    },
    advance(ms) {
      const endMs = nowMs + ms;
      for (;;) {
        const due = timers.filter((timer) => timer.atMs <= endMs).toSorted((a, b) => a.atMs - b.atMs)[0];
        if (due === undefined) break;
        timers = timers.filter((timer) => timer !== due);
        nowMs = Math.max(nowMs, due.atMs);
        due.fn();
      }
      nowMs = endMs;
    },
  };
}

export interface Lines extends Log {
  readonly lines: readonly string[];
}

export function keptLog(): Lines {
  const lines: string[] = [];
  const keep = (fields: Readonly<Record<string, unknown>>, message: string): void => {
    lines.push(`${message} ${JSON.stringify(fields)}`);
  };
  return { lines, info: keep, warn: keep, error: keep };
}

export function rulesReasoner(): Reasoner {
  return createReasoner(new Map([['router:reasoning', [{ provider: 'rules' }]]]));
}

export function event(event_type = 'zone.motion', payload: Record<string, unknown> = {}): Envelope {
  return makeEnvelope(IDENTITY, { event_id: 'ev-1', source: 'fixture', event_type, payload });
}

/** Waits for a condition, looking at it every few milliseconds; fails after `limitMs` of real time. */
export async function until(holds: () => boolean, what: string, limitMs = 15_000): Promise<void> {
  const clock = systemClock();
  const endMs = clock.monoMs() + limitMs;
  while (!holds()) {
    if (clock.monoMs() > endMs) throw new Error(`waited ${limitMs} ms in vain for: ${what}`);
    await sleep(clock, 5);
  }
}
