import fs from 'node:fs';
import Database from 'better-sqlite3';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { scratchDir } from '../../test/support/scratch.ts';
import { openDatabase } from './schema.ts';

vi.mock('node:fs', async (original) => {
  const real = await original<typeof fs>();
  return { ...real, default: real, statfsSync: vi.fn(real.statfsSync) };
});

afterEach(() => void vi.restoreAllMocks());

/** SQLite as it is, but for what it says to these. */
function answering(answers: Readonly<Record<string, unknown>>): void {
  const { pragma, prepare } = Database.prototype;
  vi.spyOn(Database.prototype, 'pragma').mockImplementation(function (this: Database.Database, source, options) {
    return source in answers ? answers[source] : pragma.call(this, source, options);
  });
  vi.spyOn(Database.prototype, 'prepare').mockImplementation(function (this: Database.Database, source: string) {
    if (!(source in answers)) return prepare.call(this, source);
    return { pluck: () => ({ get: () => answers[source] }) } as never;
  });
}

describe('a place where a commit is no promise is refused, with the reason (row 100)', () => {
  it.each([
    ['the WAL switch did nothing', { 'journal_mode = WAL': 'delete' }, 'journal_mode reads back as delete, not wal'],
    ['flushes are off', { synchronous: 1 }, 'synchronous reads back as 1, not 2 (FULL)'],
    ['SQLite is too old', { 'SELECT sqlite_version()': '3.51.2' }, 'SQLite 3.51.2 is older than 3.51.3'],
  ])('%s', (_, answers, message) => {
    answering(answers);
    expect(() => openDatabase(scratchDir(), false)).toThrow(message);
  });

  it.each([
    [0x6969, 'NFS'],
    [0xff534d42 | 0, 'CIFS'],
    [0x01021997, '9P'],
  ])('a network file system (%d)', async (type, name) => {
    const { statfsSync } = await import('node:fs');
    vi.mocked(statfsSync).mockReturnValueOnce({ type } as never);
    expect(() => openDatabase(scratchDir(), false)).toThrow(`is on a network file system (${name})`);
  });

  it('and anything else is not', () => {
    openDatabase(scratchDir(), true).close();
  });
});
