import { describe, expect, it } from 'vitest';
import { acceleratedClock, siteTime, VirtualClock } from './clock.ts';

describe('the accelerated clock', () => {
  const real = new VirtualClock(1_000_000);
  const timeline = { epochMs: 50_000_000, startedMs: 1_000_000, speed: 60 };
  const site = acceleratedClock(real, timeline);

  it('shows the epoch at the start and runs speed times as fast', () => {
    expect(site.wallMs()).toBe(50_000_000);
    const mono = site.monoMs();
    real.advance(1_000);
    expect(site.wallMs()).toBe(50_060_000);
    expect(site.monoMs() - mono).toBe(60_000);
    expect(siteTime(timeline, 999_000)).toBe(49_940_000);
  });

  it('counts delays in site time', () => {
    let fired = false;
    site.after(60_000, () => {
      fired = true;
    });
    real.advance(999);
    expect(fired).toBe(false);
    real.advance(1);
    expect(fired).toBe(true);
  });
});

describe('the virtual clock', () => {
  it('fires timers in order of their time, those started on the way included, and never a cancelled one', () => {
    const clock = new VirtualClock();
    const said: string[] = [];
    clock.after(20, () => said.push(`b at ${clock.monoMs()}`));
    clock.after(10, () => {
      said.push(`a at ${clock.monoMs()}`);
      clock.after(5, () => said.push(`from a at ${clock.monoMs()}`));
    });
    const never = clock.after(15, () => said.push('cancelled'));
    never.cancel();
    never.cancel();
    clock.advance(25);
    expect(said).toEqual(['a at 10', 'from a at 15', 'b at 20']);
    expect(clock.wallMs()).toBe(25);
  });
});
