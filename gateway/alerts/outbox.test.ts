import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { LIMITS } from '@fibric/sdk';
import { describe, expect, it, onTestFinished } from 'vitest';
import { scratchDir } from '../../test/support/scratch.ts';
import { settled, VirtualClock } from '../../test/support/virtual-clock.ts';
import { alertEntry } from '../journal/alerts.ts';
import { fsck } from '../journal/fsck.ts';
import { openJournal } from '../journal/journal.ts';
import { openJournalReader } from '../journal/reader.ts';
import { createElapsed } from '../executor/elapsed.ts';
import type { Channel, PageMessage } from './channel.ts';
import { fileChannel } from './file.ts';
import { createOutbox, type Outbox } from './outbox.ts';

/** A channel that takes what it is told to take. */
class Post implements Channel {
  readonly id: string;
  readonly label: string;
  readonly taken: PageMessage[] = [];
  attempts = 0;
  broken = false;

  constructor(id: string) {
    this.id = id;
    this.label = id;
  }

  async send(message: PageMessage): Promise<void> {
    this.attempts++;
    if (this.broken) throw new Error('nobody there');
    this.taken.push(message);
  }

  get ids(): readonly string[] {
    return this.taken.map(({ id }) => id);
  }
}

const log = { info: () => undefined, warn: () => undefined, error: () => undefined };
const sender = { gateway: 'gw_1', site: 'Test', tenant_id: 't_1', workspace_id: null, provenance: 'live' } as const;

function start(channels: readonly Channel[], clock = new VirtualClock(), dataDir = scratchDir(), bootId = 'boot-1') {
  let outbox: Outbox | null = null;
  const onCommit = () => outbox?.touch();
  const journal = openJournal({ dataDir, clock, bootId, onFailure: () => undefined, onCommit });
  const elapsed = createElapsed(clock, bootId, journal.resumedMs);
  const random = { next: () => 0.5 };
  outbox = createOutbox({ journal, channels, sender, ioClock: clock, clock, elapsed, random, log });
  outbox.start();
  const running: Outbox = outbox;
  const alert = (zone: string, text = 'set', kind: 'alerted' | 'unknown' = 'alerted') => {
    const about = { operator: 'comfort', capability: 'hvac.setpoint', entity_key: `zone:${zone}` };
    journal.append(alertEntry(kind, text, about));
  };
  let open = true;
  async function close() {
    if (!open) return;
    open = false;
    await clock.until(running.stop());
    journal.close();
  }
  onTestFinished(close);
  return { clock, journal, dataDir, alert, close, outbox: running };
}

describe('an alert', () => {
  it('N1 is handed to every channel once it is durable, and then it is over', async () => {
    const [a, b] = [new Post('a'), new Post('b')];
    const { clock, journal, alert, dataDir, close } = start([a, b]);
    alert('412');
    await settled();
    expect(a.taken).toEqual([]);
    await journal.durable();
    await clock.advance(2_000);
    expect(a.taken).toMatchObject([{ object: 'alert', gateway: 'gw_1', id: 'al_00000001', entity_key: 'zone:412' }]);
    expect(b.ids).toEqual(['al_00000001']);
    await clock.advance(60_000);
    expect([a.attempts, b.attempts]).toEqual([1, 1]);
    await close();
    const reader = openJournalReader(dataDir);
    expect(reader.alerts.newest({ limit: 5 })).toMatchObject([{ alert_id: 'al_00000001', state: 'delivered' }]);
    reader.close();
    expect(fsck(dataDir).findings).toEqual([]);
  });

  it('N1 N3 waits for a channel that is away, while the others have it, and comes under the same id', async () => {
    const [a, b] = [new Post('a'), new Post('b')];
    b.broken = true;
    const { clock, alert, outbox } = start([a, b]);
    alert('412');
    alert('413');
    await clock.advance(3_600_000);
    expect([a.ids.length, b.taken.length, b.attempts > 10]).toEqual([2, 0, true]);
    const channels = [
      { id: 'a', problem: null },
      { id: 'b', problem: 'nobody there' },
    ];
    expect(outbox.status()).toMatchObject({ undelivered: 2, channels });
    // One channel is enough for people to be reachable.
    expect(outbox.unreachableMs()).toBe(0);
    b.broken = false;
    await clock.advance(120_000);
    expect(b.ids).toEqual(a.ids);
  });

  it('N1 survives the process: what was not taken is sent at the next start, what was taken is not', async () => {
    const [a, b] = [new Post('a'), new Post('b')];
    b.broken = true;
    const first = start([a, b]);
    first.alert('412');
    await first.clock.advance(10_000);
    await first.close();
    b.broken = false;
    const second = start([a, b], first.clock, first.dataDir, 'boot-2');
    await second.clock.advance(10_000);
    expect([a.ids, b.ids]).toEqual([['al_00000001'], ['al_00000001']]);
    await second.close();
    expect(fsck(first.dataDir).findings).toEqual([]);
  });

  it('N1 is over when the channel that lacked it is gone from the site', async () => {
    const [a, b] = [new Post('a'), new Post('b')];
    b.broken = true;
    const first = start([a, b]);
    first.alert('412');
    await first.clock.advance(10_000);
    await first.close();
    const { clock, outbox, journal } = start([a], first.clock, first.dataDir, 'boot-2');
    await clock.advance(LIMITS.alertGraceMs);
    expect([outbox.unreachableMs(), journal.projection.alerts.rows.values().next().value?.open]).toEqual([0, null]);
  });
});

describe('a storm', () => {
  it('N2 of ten thousand alerts in a minute is a page every five minutes with a count; every row is kept (row 90)', async () => {
    const post = new Post('a');
    const { clock, alert, journal, dataDir, close } = start([post]);
    for (let i = 0; i < 10_000; i++) {
      alert(String(i % 4), `alert ${i}`, i === 5_001 ? 'unknown' : 'alerted');
      if (i % 100 === 99) await clock.advance(600);
    }
    await clock.advance(10_000);
    expect(post.taken.map(({ count }) => count)).toEqual([1, 1, 1, 1]);
    expect(journal.projection.alerts.rows.size).toBe(4);
    await clock.advance(LIMITS.pageEveryMs);
    const late = post.taken.slice(4);
    expect(late.map(({ count }) => count)).toEqual([2_499, 2_499, 2_499, 2_499]);
    // The gravest speaks for all.
    const grave = late.find(({ entity_key }) => entity_key === 'zone:1');
    expect(grave).toMatchObject({ severity: 'critical', text: 'alert 5001', kinds: { alerted: 2_498, unknown: 1 } });
    await clock.advance(LIMITS.pageEveryMs);
    expect(post.taken).toHaveLength(8);
    await close();
    const reader = openJournalReader(dataDir);
    const all = reader.alerts.after(0, 20_000);
    reader.close();
    expect([all.length, new Set(all.map(({ alert_id }) => alert_id)).size]).toEqual([10_000, 10_000]);
    expect(fsck(dataDir).findings).toEqual([]);
  });

  it('N2 while nobody can be reached stays one page and one that waits for each subject, however long it lasts', async () => {
    const post = new Post('a');
    post.broken = true;
    const { clock, alert, journal } = start([post]);
    for (let i = 0; i < 100; i++) {
      alert('412', `alert ${i}`);
      await clock.advance(LIMITS.pageEveryMs);
    }
    const [subject] = journal.projection.alerts.rows.values();
    expect([journal.projection.alerts.rows.size, subject?.open?.count, subject?.waiting?.count]).toEqual([1, 1, 99]);
    post.broken = false;
    await clock.advance(120_000);
    expect(post.taken.map(({ count }) => count)).toEqual([1, 99]);
  });
});

describe('whether people can be told', () => {
  it('is known by how long nothing was taken, also across a restart', async () => {
    const post = new Post('a');
    post.broken = true;
    const first = start([post]);
    expect(first.outbox.unreachableMs()).toBe(0);
    first.alert('412');
    await first.clock.advance(600_000);
    expect(first.outbox.unreachableMs()).toBe(600_000);
    await first.close();
    const { clock, outbox } = start([post], first.clock, first.dataDir, 'boot-2');
    await clock.advance(600_000);
    expect(outbox.unreachableMs()).toBeGreaterThanOrEqual(1_200_000);
    post.broken = false;
    await clock.advance(120_000);
    expect(outbox.unreachableMs()).toBe(0);
  });

  it('is answered for one alert: taken, not taken in time, or waiting for others', async () => {
    const post = new Post('a');
    const { clock, alert, outbox, journal } = start([post]);
    alert('412');
    const taken = outbox.accepted('al_00000001');
    await journal.durable();
    expect(await clock.until(taken)).toBe(true);
    alert('412');
    expect(await outbox.accepted(journal.projection.alerts.rows.values().next().value?.waiting?.id ?? '')).toBe(false);
    post.broken = true;
    alert('413');
    const late = outbox.accepted(`al_${(journal.nextSeq - 1).toString(36).padStart(8, '0')}`);
    expect(await clock.until(late)).toBe(false);
  });
});

describe('the file', () => {
  it('has one line for each page, for its owner only, and is begun anew when it is full', async () => {
    const path = join(scratchDir(), 'alerts.ndjson');
    const channel = fileChannel('file', path);
    const message = { object: 'alert', id: 'al_1', text: 'x'.repeat(1_000) } as PageMessage;
    const { signal } = new AbortController();
    await channel.send(message, signal);
    await channel.send({ ...message, id: 'al_2' }, signal);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    expect(lines.map((line) => (JSON.parse(line) as PageMessage).id)).toEqual(['al_1', 'al_2']);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    await channel.send({ ...message, text: 'x'.repeat(LIMITS.alertFileBytes) }, signal);
    await channel.send({ ...message, id: 'al_4' }, signal);
    expect([statSync(path).size < 2_000, statSync(`${path}.1`).size > LIMITS.alertFileBytes]).toEqual([true, true]);
  });
});
