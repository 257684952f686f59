import type { Clock, ConnectionStatus, Timer } from '@fibric/sdk';
import { VirtualClock } from '@fibric/simulators/clock';
import { describe, expect, it } from 'vitest';
import { testContext } from '../../test/contract/harness.ts';
import type { Link } from './link.ts';
import { Supervisor } from './supervisor.ts';

/** Remembers how long each pause was asked to be. */
class PauseClock extends VirtualClock {
  readonly pauses: number[] = [];

  override after(delayMs: number, fn: () => void): Timer {
    this.pauses.push(delayMs);
    return super.after(delayMs, fn);
  }
}

async function settle(): Promise<void> {
  for (let i = 0; i < 20; i++) await Promise.resolve();
}

function bench(clock: Clock, chance = 1) {
  const told: [ConnectionStatus, string][] = [];
  const lost: AbortController[] = [];
  const state = { reachable: false, downs: 0 };
  const context = { ...testContext({ kind: 'live' }, clock), random: { next: () => chance } };
  const supervisor = new Supervisor(context, {
    open: () => {
      if (!state.reachable) return Promise.resolve({ kind: 'failed', status: 'error', detail: 'nobody there' });
      const ended = new AbortController();
      lost.push(ended);
      const link = { lost: ended.signal, close: () => Promise.resolve() } as unknown as Link;
      return Promise.resolve({ kind: 'open', link });
    },
    up: () => Promise.resolve('up'),
    down: () => {
      state.downs += 1;
    },
    status: (status, detail) => told.push([status, detail]),
  });
  return { supervisor, told, lost, state };
}

describe('the pause between attempts', () => {
  it('doubles from a tenth of a second to half a minute, and half of it is chance', async () => {
    for (const [chance, share] of [
      [1, 1],
      [0, 0.5],
    ] as const) {
      const clock = new PauseClock();
      const { supervisor } = bench(clock, chance);
      supervisor.start();
      for (let i = 0; i < 12; i++) {
        await settle();
        clock.advance(30_000);
      }
      const expected = [100, 200, 400, 800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000];
      expect(clock.pauses.slice(0, 11)).toEqual(expected.map((ms) => ms * share));
      await supervisor.stop();
    }
  });

  it('starts again from the first after a link that held', async () => {
    const clock = new PauseClock();
    const { supervisor, lost, state } = bench(clock);
    supervisor.start();
    for (let i = 0; i < 5; i++) {
      await settle();
      clock.advance(30_000);
    }
    state.reachable = true;
    await settle();
    clock.advance(30_000);
    await settle();
    expect(supervisor.link).not.toBeNull();
    clock.advance(60_000);
    lost.at(-1)?.abort('cut');
    await settle();
    expect(clock.pauses.at(-1)).toBe(100);
    await supervisor.stop();
  });
});

describe('what is told', () => {
  it('is each state once, with the reason of a loss', async () => {
    const clock = new VirtualClock();
    const { supervisor, told, lost, state } = bench(clock);
    supervisor.start();
    for (let i = 0; i < 3; i++) {
      await settle();
      clock.advance(30_000);
    }
    state.reachable = true;
    await settle();
    clock.advance(30_000);
    await settle();
    lost.at(-1)?.abort('cut');
    await settle();
    expect(told).toEqual([
      ['error', 'nobody there'],
      ['connected', 'up'],
      ['error', 'the link was lost: cut'],
    ]);
    await supervisor.stop();
    expect(told).toHaveLength(3);
  });
});
