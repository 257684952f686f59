import { defineConfig } from 'vitest/config';

const excluded = ['**/node_modules/**', 'dist/**'];
const shared = { pool: 'forks', testTimeout: 20_000, hookTimeout: 30_000 } as const;

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
