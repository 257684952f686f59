/** `docs/FAULTS.md`: which test stands for which fault. A test says so in its name: `(row 7)`, `(rows 31, 32)`. */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { FAULT_ROWS } from './fault-rows.ts';

interface Proof {
  readonly file: string;
  readonly title: string;
}

/** A string that holds `(… row 7 …)`: the quote, the whole text, what stands in the brackets. */
const NAMED = /(['"`])((?:\\.|(?!\1)[^\\\n])*\(([^()'"`\n]*\brows? \d[^()'"`\n]*)\)(?:\\.|(?!\1)[^\\\n])*)\1/g;

/** `rows 31, 32` and `rows 5–7`. */
function numbersIn(text: string): readonly number[] {
  const lists = [...text.matchAll(/\brows? ([\d, –]+)/g)].flatMap(([, list]) => (list ?? '').split(','));
  return lists.flatMap((part) => {
    const [from = 0, to = from] = part.split('–').map(Number);
    return from > 0 ? Array.from({ length: to - from + 1 }, (_, i) => from + i) : [];
  });
}

function proofs(root: string): ReadonlyMap<number, readonly Proof[]> {
  const found = new Map<number, Proof[]>();
  const files = globSync(['**/*.test.ts', 'test/contract/*.ts'], {
    cwd: root,
    exclude: ['**/node_modules/**', 'dist/**'],
  });
  for (const file of files.toSorted()) {
    for (const [, , text = '', brackets = ''] of readFileSync(join(root, file), 'utf8').matchAll(NAMED)) {
      const title = text
        .replace(/ ?\([^()]*\brows? \d[^()]*\)/, '')
        .replaceAll('\\', '')
        .replaceAll('|', '\\|');
      for (const n of numbersIn(brackets)) found.set(n, [...(found.get(n) ?? []), { file, title }]);
    }
  }
  return found;
}

function cellOf(proved: readonly Proof[]): string {
  const byFile = Map.groupBy(proved, ({ file }) => file);
  const lines = [...byFile].map(
    ([file, list]) => `\`${file}\`: ${[...new Set(list.map(({ title }) => title))].join('; ')}`,
  );
  return lines.join('<br>') || '**open**';
}

/** The page as it should stand. */
export function faultsPage(root: string): string {
  const found = proofs(root);
  const faults = FAULT_ROWS.filter((row) => typeof row !== 'string');
  const open = faults.filter(([n]) => !found.has(n)).map(([n]) => n);
  const body = FAULT_ROWS.map((row) => {
    if (typeof row === 'string') return `\n## ${row}\n\n| # | fault | what happens | tests |\n|---|---|---|---|`;
    const [n, fault, behaviour] = row;
    return `| ${n} | ${fault} | ${behaviour} | ${cellOf(found.get(n) ?? [])} |`;
  });
  return `# Faults and bad inputs

What goes wrong on a site, what the gateway does about it, and which tests show it. This page is made from the names of the tests
(\`npm run docs\`): a test that stands for a row carries its number.

${faults.length - open.length} of ${faults.length} rows have a test. Open: ${open.join(', ') || 'none'}.
${body.join('\n')}
`;
}
