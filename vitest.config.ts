import { defineConfig } from 'vitest/config';

const excluded = ['**/node_modules/**', 'dist/**'];
/**
 * Real sockets, processes and disks on a machine that others may use: in CI a test that fails is run once more, and the report says so.
 * Not so the crash, file-call and simulation tests, where a failure that comes once in a hundred is what is looked for.
 */
const retry = process.env['CI'] ? 1 : 0;
const globalSetup = './test/support/temporary.ts';
const shared = { pool: 'forks', testTimeout: 20_000, hookTimeout: 30_000, retry, globalSetup } as const;

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...shared,
          name: 'unit',
          include: ['**/*.test.ts'],
          exclude: [...excluded, 'test/**'],
          sequence: { groupOrder: 0 },
        },
      },
      // Real processes that keep real time: one file at a time, after the others, so that they have the machine to themselves.
      {
        test: {
          ...shared,
          name: 'system',
          include: ['test/**/*.test.ts'],
          exclude: excluded,
          maxWorkers: 1,
          sequence: { groupOrder: 1 },
        },
      },
    ],
  },
});
