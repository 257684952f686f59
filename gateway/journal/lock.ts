/**
 * One gateway per data folder (G-SF-7). The lock is the operating system's, taken through SQLite, so it ends with the process
 * however the process ends, and readers of the journal are not shut out.
 */
import { join } from 'node:path';
import { FibricError } from '@fibric/sdk';
import Database from 'better-sqlite3';

export interface Lock {
  release(): void;
}

/** Takes the folder for this process. Throws `journal_locked` when another gateway has it. */
export function lockFolder(dataDir: string): Lock {
  const db = new Database(join(dataDir, 'gateway.lock'), { timeout: 0 });
  try {
    db.pragma('locking_mode = EXCLUSIVE');
    db.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    db.close();
    if ((error as { code?: string }).code === 'SQLITE_BUSY') {
      throw new FibricError('journal_locked', `another gateway is running on ${dataDir}`, { cause: error });
    }
    throw error;
  }
  return { release: () => db.close() };
}
