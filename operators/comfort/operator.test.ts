import { readFileSync } from 'node:fs';
import { CAPABILITIES } from '@fibric/sdk';
import { describe, expect, test } from 'vitest';
import comfort from './operator.ts';
import { settingsSchema } from './settings.ts';
import { TestSite } from './testing.ts';

const NOON = '2026-07-02T12:00';

describe('what comfort is', () => {
  test('requires.json lists what the operator requires, and all of it is in the vocabulary', () => {
    const listed = JSON.parse(readFileSync(new URL('./requires.json', import.meta.url), 'utf8')) as Record<
      string,
      string[]
    >;
    expect(listed['requires']).toEqual(comfort.requires);
    expect(listed['requires']).toEqual(expect.arrayContaining(listed['optional'] ?? []));
    expect(comfort.requires.filter((name) => !CAPABILITIES.has(name))).toEqual([]);
  });

  test('settings have defaults, refuse unknown keys, and must lie within the bounds', () => {
    const defaults = settingsSchema.parse({});
    expect(defaults).toMatchObject({
      occupied: 21.5,
      vacant: 17,
      hold: 1_800_000,
      night: { from: '22:00', to: '07:00' },
    });
    expect(settingsSchema.parse({ occupied: 22, night: { to: '08:00' } })).toMatchObject({
      night: { from: '22:00', to: '08:00' },
    });
    expect(settingsSchema.safeParse({ ocupied: 21 }).success).toBe(false);
    expect(settingsSchema.safeParse({ vacant: 15 }).error?.issues[0]?.message).toBe(
      '15 °C is outside bounds 16 to 26 °C',
    );
    expect(settingsSchema.safeParse({ hold: 30 }).success).toBe(false);
  });
});

describe('a room without bookings', () => {
  test('with motion goes to comfort, and once there nothing is proposed', async () => {
    const site = new TestSite(NOON).room('412', 17);
    site.set('412', { motion: true });
    expect(await site.step()).toEqual(['412 21.5']);
    const plan = await site.pass(60).run();
    expect(plan).toMatchObject({ actions: [], reasoning: 'Nothing to change. 1 as they should be.' });
    expect(plan.state).toBeUndefined();
  });

  test('carries the value for ceilings, names no occasion, and waits for no other action', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true });
    expect((await site.run()).actions).toEqual([
      { capability: 'hvac.setpoint', args: { zone: '412', celsius: 21.5 }, value: 21.5, after: [] },
    ]);
  });

  test('C1 is set back only after the whole hold without motion', async () => {
    const site = new TestSite(NOON).room('412', 21.5).set('412', { motion: true });
    await site.step();
    site.pass(1).set('412', { motion: false });
    expect(await site.pass(29).step()).toEqual([]);
    expect(await site.pass(1).step()).toEqual(['412 17']);
  });

  test('C1 is kept at comfort during the hold, whatever moved its setpoint', async () => {
    const site = new TestSite(NOON).room('412', 21.5).set('412', { motion: true });
    await site.step();
    site.pass(1).set('412', { motion: false, setpoint: 17 });
    expect(await site.pass(11).step()).toEqual(['412 21.5']);
  });

  test('C2 is set back in the evening and at night as by day, also when it was in use shortly before', async () => {
    const site = new TestSite('2026-07-02T21:20').room('511', 21.5).set('511', { motion: true });
    await site.step();
    site.now_s = site.at('2026-07-02T21:50');
    site.set('511', { motion: false });
    site.now_s = site.at('2026-07-02T22:19');
    expect(await site.step()).toEqual([]);
    expect(await site.pass(1).step()).toEqual(['511 17']);
  });

  test('is left as it is while nobody can say yet, as after a start', async () => {
    const site = new TestSite(NOON).room('412', 21);
    site.set('412', { motion: true }).set('412', { motion: false });
    expect((await site.run()).reasoning).toBe(
      'Nothing to change. left alone: 412: no motion for 0 min, less than the hold.',
    );
    expect(await site.pass(30).step()).toEqual(['412 17']);
  });

  test('a motion that was over before the run began counts: the event says so', async () => {
    const site = new TestSite(NOON).room('412', 17);
    site.set('412', { motion: true }).set('412', { motion: false });
    expect(await site.step(site.reading('412', 'motion', true))).toEqual(['412 21.5']);
  });

  test('the event of one room looks at that room only, and a room that falls quiet is left to the next tick', async () => {
    const site = new TestSite(NOON)
      .room('412', 17)
      .room('413', 17)
      .set('412', { motion: true })
      .set('413', { motion: true });
    expect(await site.step(site.reading('412', 'motion', true))).toEqual(['412 21.5']);
    expect(await site.run(site.reading('413', 'motion', false))).toMatchObject({
      actions: [],
      reasoning: '413 has fallen quiet: the hold decides, with the next tick.',
    });
    expect(await site.step()).toEqual(['413 21.5']);
  });
});

describe('what is not known', () => {
  test.each([
    ['motion', 'stale', '412: motion is bad (stale)'],
    ['motion', 'sensor_fault', '412: motion is bad (sensor_fault)'],
    ['setpoint', 'timeout', '412: setpoint is bad (timeout)'],
  ] as const)('C3 a %s that is %s leaves the room alone, and says so', async (point, reason, said) => {
    const site = new TestSite(NOON).room('412', 21).spoil('412', point, reason);
    expect(await site.run()).toMatchObject({ actions: [], reasoning: `Nothing to change. left alone: ${said}.` });
  });

  test('C3 a room without a motion sensor, or with one that speaks no yes or no, is left alone', async () => {
    const site = new TestSite(NOON).set('412', { setpoint: 21 }).set('413', { setpoint: 21, motion: 3 });
    expect((await site.pass(60).run()).reasoning).toBe(
      'Nothing to change. left alone: 412: motion has never been heard of; 413: motion is not a yes or no.',
    );
  });

  test('C3 a sensor that comes back after hours does not at once mean that the room is empty', async () => {
    const site = new TestSite(NOON).room('412', 21.5).set('412', { motion: true });
    await site.step();
    site.pass(10).spoil('412', 'motion', 'stale');
    expect(await site.pass(300).step()).toEqual([]);
    site.set('412', { motion: false });
    expect(await site.step()).toEqual([]);
    expect(await site.pass(30).step()).toEqual(['412 17']);
  });

  test('a thermostat without any reading yet keeps what is remembered of its room', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true });
    await site.step();
    const restarted = new TestSite(NOON).set('412', { motion: false });
    restarted.state = site.state;
    await restarted.run();
    expect(restarted.state).toEqual(site.state);
  });
});

describe('patience', () => {
  test('C5 nothing is proposed inside min_interval after the last change, by whomever', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true });
    site.set('412', { setpoint: 18 });
    expect((await site.pass(9).run()).reasoning).toBe(
      'Nothing to change. left alone: 412: to be 21.5, but it was changed 9 min ago.',
    );
    expect(await site.pass(1).step()).toEqual(['412 21.5']);
  });

  test('C5 what was proposed and refused is proposed again after min_interval, not with every tick', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true });
    const proposed: number[] = [];
    for (let minute = 0; minute < 25; minute++) {
      if ((await site.run()).actions.length > 0) proposed.push(minute);
      site.pass(1);
    }
    expect(proposed).toEqual([0, 10, 20]);
  });

  test('a setpoint chosen by hand is left alone for manual_hold, and gone when the room is vacant', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true });
    await site.step();
    site.pass(20).set('412', { setpoint: 23 });
    expect((await site.pass(60).run()).reasoning).toContain('412: 23 °C was chosen by hand 60 min ago');
    expect(await site.pass(60).step()).toEqual(['412 21.5']);
    site.pass(20).set('412', { setpoint: 24, motion: false });
    expect(await site.pass(30).step()).toEqual(['412 17']);
  });

  test('one run proposes as much as the policy admits, occupied rooms first; the rest follows', async () => {
    const site = new TestSite(NOON);
    for (let n = 100; n < 135; n++) site.room(String(n), 21.5);
    site.set('134', { motion: true, setpoint: 17 });
    const first = await site.pass(60).run();
    expect(first.actions).toHaveLength(30);
    expect(first.actions[0]?.args).toEqual({ zone: '134', celsius: 21.5 });
    expect(first.reasoning).toContain('. 5 more with the next run');
    expect((await site.pass(1).run()).actions).toHaveLength(5);
  });
});

describe('windows', () => {
  test('an open window stops the conditioning, and closed it goes on', async () => {
    const site = new TestSite(NOON).room('412', 21.5).set('412', { motion: true, window: false });
    await site.step();
    site.pass(10).set('412', { window: true });
    expect(await site.step(site.reading('412', 'window', true))).toEqual(['412 17']);
    expect(await site.pass(15).step()).toEqual([]);
    site.set('412', { window: false });
    expect(await site.step(site.reading('412', 'window', false))).toEqual(['412 21.5']);
  });

  test('a window sensor that cannot be gone by counts as closed', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { motion: true }).spoil('412', 'window', 'stale');
    expect(await site.step()).toEqual(['412 21.5']);
  });
});

describe('corridors', () => {
  test('are lit for people and dimmed without, after their own hold', async () => {
    const site = new TestSite(NOON).set('corridor-4', { scene: 'dim', motion: true });
    expect(await site.step()).toEqual(['corridor-4 normal']);
    site.pass(1).set('corridor-4', { motion: false });
    expect(await site.pass(9).step()).toEqual([]);
    expect(await site.pass(1).step()).toEqual(['corridor-4 dim']);
    expect(await site.pass(10).step()).toEqual([]);
  });

  test('people do not wait in the dark: a corridor that was just dimmed is lit at once', async () => {
    const site = new TestSite(NOON).set('corridor-4', { scene: 'normal', motion: false });
    expect(await site.pass(60).step()).toEqual(['corridor-4 dim']);
    site.pass(1).set('corridor-4', { motion: true });
    expect(await site.step(site.reading('corridor-4', 'motion', true))).toEqual(['corridor-4 normal']);
  });

  test('are left alone when presence or scene is not known, and a room’s own light always is', async () => {
    const site = new TestSite(NOON).room('412', 17).set('412', { scene: 'normal' });
    site
      .set('a', { scene: 'normal' })
      .spoil('a', 'motion', 'timeout')
      .set('b', { motion: false })
      .spoil('b', 'scene', 'timeout');
    expect(await site.pass(60).run()).toMatchObject({
      actions: [],
      reasoning:
        'Nothing to change. 1 as they should be. left alone: a: motion is bad (timeout); b: scene is bad (timeout).',
    });
  });
});

describe('a guest room', () => {
  const stay = (status: string, arrives: string, id = 'BK-7741') => ({
    booking_id: id,
    room: '412',
    arrives_at: `${arrives}:00Z`,
    departs_at: '2026-07-05T10:00:00Z',
    status,
  });
  const IN_HOUSE = stay('checked_in', '2026-07-01T15:00');

  /** A guest in the house was last seen at `last`; the run before knew the room as occupied. */
  async function quietSince(last: string, now: string, bookings: TestSite['bookings']): Promise<TestSite> {
    const site = new TestSite(last).room('412', 21.5).set('412', { motion: true });
    site.bookings = bookings;
    await site.step();
    site.set('412', { motion: false });
    site.now_s = site.at(now);
    return site;
  }

  test('C2 of a guest in the house is not set back at night for lack of motion', async () => {
    const site = await quietSince('2026-07-02T22:30', '2026-07-03T06:59', [IN_HOUSE]);
    expect(await site.step()).toEqual([]);
  });

  test('C2 of a guest in the house is set back by day, and the hold starts anew in the morning', async () => {
    const site = await quietSince('2026-07-02T22:30', '2026-07-03T07:29', [IN_HOUSE]);
    expect(await site.step()).toEqual([]);
    expect(await site.pass(1).step()).toEqual(['412 17']);
  });

  test('C2 that was vacant when the night began is not warmed for nobody', async () => {
    const site = new TestSite('2026-07-02T21:00').room('412', 17);
    site.bookings = [IN_HOUSE];
    await site.step();
    site.now_s = site.at('2026-07-02T23:30');
    expect((await site.run()).reasoning).toContain('but it is night and a guest is in the house');
    site.set('412', { motion: true });
    expect(await site.step(site.reading('412', 'motion', true))).toEqual(['412 21.5']);
  });

  test.each([
    ['without any booking', []],
    ['whose guest has left', [stay('checked_out', '2026-07-01T15:00')]],
    ['whose booking was cancelled', [stay('cancelled', '2026-07-01T15:00')]],
  ])('%s is set back at night like any room', async (_, bookings) => {
    const site = await quietSince('2026-07-02T22:30', '2026-07-02T23:00', bookings);
    expect(await site.step()).toEqual(['412 17']);
  });

  test('C2 while the booking system does not answer, nobody is taken for absent at night', async () => {
    const site = await quietSince('2026-07-02T22:30', '2026-07-03T03:00', 'failing');
    expect(await site.step()).toEqual([]);
    const byDay = await quietSince('2026-07-02T12:00', '2026-07-02T13:00', 'failing');
    expect(await byDay.step()).toEqual(['412 17']);
  });

  test('C6 is made ready in time for an arrival, and the booking is the occasion', async () => {
    const site = new TestSite(NOON).room('412', 17, 18);
    site.bookings = [stay('booked', '2026-07-02T16:00')];
    // 3.5 K at 1.5 K/h and ten minutes to spare: 2 h 30 min.
    site.now_s = site.at('2026-07-02T13:29');
    expect(await site.step()).toEqual([]);
    const plan = await site.pass(1).run();
    expect(plan.actions).toEqual([
      {
        capability: 'hvac.setpoint',
        args: { zone: '412', celsius: 21.5 },
        value: 21.5,
        occurrence: 'ev=BK-7741',
        after: [],
      },
    ]);
    expect(plan.reasoning).toBe('412 to 21.5 °C: BK-7741 arrives in 2 h 30 min and the room needs 2 h 30 min.');
  });

  test('C6 the second change for one arrival is no longer its occasion: the key was used', async () => {
    const site = new TestSite(NOON).room('412', 17, 18).set('412', { window: false });
    site.bookings = [stay('booked', '2026-07-02T13:00')];
    expect(await site.step()).toEqual(['412 21.5 ev=BK-7741']);
    site.pass(20).set('412', { window: true });
    expect(await site.step()).toEqual(['412 17']);
    site.pass(20).set('412', { window: false });
    expect(await site.step()).toEqual(['412 21.5']);
  });

  test('stays ready for a late guest, and is set back when nobody comes', async () => {
    const site = new TestSite(NOON).room('412', 21.5);
    site.bookings = [stay('booked', '2026-07-02T13:00')];
    site.now_s = site.at('2026-07-02T16:59');
    expect(await site.step()).toEqual([]);
    expect(await site.pass(1).step()).toEqual(['412 17']);
  });

  test('uses the rate at which this room has warmed before', async () => {
    const site = new TestSite(NOON).room('412', 17, 18).set('412', { motion: true });
    site.bookings = [];
    await site.step();
    // 3 K/h, twice the default, told minute by minute.
    for (let minute = 0; minute < 70; minute++) {
      site.pass(1).set('412', { temperature: 18 + minute / 20 });
      await site.step();
    }
    expect(site.state).toMatchObject({
      zones: { '412': { rates: { heat: expect.closeTo(3, 0) as number, cool: null } } },
    });
    site.set('412', { motion: false });
    await site.pass(30).step();
    site.set('412', { temperature: 18 });
    site.bookings = [stay('booked', '2026-07-02T18:00')];
    site.now_s = site.at('2026-07-02T16:35');
    expect(await site.step()).toEqual([]);
    site.now_s = site.at('2026-07-02T16:45');
    expect(await site.step()).toEqual(['412 21.5 ev=BK-7741']);
  });

  test('records that make no sense are left out, and an answer that is none counts as no answer', async () => {
    const site = new TestSite(NOON).room('412', 17);
    site.bookings = [
      { ...IN_HOUSE, arrives_at: 'soon' },
      { ...IN_HOUSE, booking_id: 'a b' },
      null as never,
      7 as never,
    ];
    expect(await site.step()).toEqual([]);
    site.bookings = { nothing: true } as never;
    expect(await site.step()).toEqual([]);
  });
});

test('the same picture gives the same plan', async () => {
  const build = () => {
    const site = new TestSite(NOON)
      .room('b', 21)
      .room('a', 21)
      .set('a', { motion: true })
      .set('c', { scene: 'normal', motion: false });
    return site.pass(60);
  };
  expect(await build().run()).toEqual(await build().run());
});
