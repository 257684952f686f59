/**
 * Makes the documents that are lists of something in the code: `docs/ERRORS.md` from the error table, `docs/FAULTS.md` from the tests,
 * `docs/STATES.md` from the life of an action.
 * `node tools/docs.ts` writes them, `--check` says which one is not what the code says.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ERRORS } from '@fibric/sdk';
import { faultsPage } from './faults.ts';
import { statesPage } from './states.ts';

const root = join(import.meta.dirname, '..');

function errors(): string {
  const rows = Object.entries(ERRORS).map(([code, [meaning, next]]) => `| \`${code}\` | ${meaning} | ${next} |`);
  return `# Errors

Every code that the gateway, its API and its command line can show. This page is made from \`sdk/errors.ts\` (\`npm run docs\`);
a retired code is never used again.

| code | what it means | what to do next |
|---|---|---|
${rows.join('\n')}
`;
}

const documents: readonly (readonly [file: string, text: string])[] = [
  ['docs/ERRORS.md', errors()],
  ['docs/FAULTS.md', faultsPage(root)],
  ['docs/STATES.md', statesPage()],
];

let stale = 0;
for (const [file, text] of documents) {
  const path = join(root, file);
  if (!process.argv.includes('--check')) {
    writeFileSync(path, text);
  } else if (readFileSync(path, 'utf8') !== text) {
    process.stderr.write(`${file} is not what the code says: run npm run docs\n`);
    stale++;
  }
}
process.exit(stale === 0 ? 0 : 1);
