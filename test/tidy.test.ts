/** The house's manners that no linter knows: promises have tests, a driver's write has one caller, documents name what exists. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const FOLDERS = '{sdk,policy,drivers,operators,gateway,simulators,cli}';
const skip = ['**/node_modules/**', 'dist/**'];

const read = (file: string): string => readFileSync(join(root, file), 'utf8');
const sources = globSync(`${FOLDERS}/**/*.ts`, { cwd: root, exclude: skip }).filter(
  (file) => !file.endsWith('.test.ts'),
);
const tests = globSync(`{${FOLDERS}/**/*.test.ts,test/**/*.ts}`, { cwd: root, exclude: skip });

/** `D1–D7` is seven promises. */
function expand(cell: string): readonly string[] {
  const range = /^([A-Z])(\d+)[–-][A-Z]?(\d+)$/.exec(cell);
  if (!range) return [cell];
  const [, letter, from, to] = range;
  return Array.from({ length: Number(to) - Number(from) + 1 }, (_, i) => `${letter}${Number(from) + i}`);
}

describe('the house', () => {
  const table = read('docs/ARCHITECTURE.md').split('## Promises')[1]?.split('\n## ')[0] ?? '';
  const promises = [...table.matchAll(/^\| ([A-Z]\d+(?:–[A-Z]?\d+)?) \|/gm)].flatMap(([, cell]) => expand(cell ?? ''));

  it.each(promises)('%s stands in the name of a test', (promise) => {
    const named = new RegExp(`(it|test|describe)\\b[^\\n]*\\n?[^\\n]*['"\`][^'"\`\\n]*\\b${promise}\\b`);
    expect(tests.some((file) => named.test(read(file)))).toBe(true);
  });

  it('X1 calls a driver’s write from one file only', () => {
    const callers = sources.filter((file) => /\bdriver(\([^)]*\))?\.write\(/.test(read(file)));
    expect(callers).toEqual(['gateway/executor/act.ts']);
  });

  it('has every document that the README and the contributors’ guide name', () => {
    for (const page of ['README.md', 'AGENTS.md', ...globSync('docs/*.md', { cwd: root })]) {
      const links = [...read(page).matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(([, link]) => link ?? '');
      const folder = page.includes('/') ? page.slice(0, page.lastIndexOf('/')) : '';
      for (const link of links) expect(() => read(join(folder, link)), `${page} → ${link}`).not.toThrow();
    }
  });
});
