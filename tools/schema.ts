/**
 * The JSON schemas of site files and device profiles, from which editors complete: `config/schema/`.
 * `node tools/schema.ts` writes what has changed (format it afterwards), `--check` says which file is not what the code says.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DRIVERS } from '@fibric/drivers';
import { jsonSchemas } from '@fibric/gateway/config/json-schema';

const folder = join(import.meta.dirname, '..', 'config', 'schema');

let stale = 0;
mkdirSync(folder, { recursive: true });
for (const [file, schema] of Object.entries(jsonSchemas(DRIVERS))) {
  const path = join(folder, file);
  const before: unknown = existsSync(path) ? JSON.parse(readFileSync(path, 'utf8')) : null;
  if (JSON.stringify(before) === JSON.stringify(schema)) continue;
  if (process.argv.includes('--check')) {
    process.stderr.write(`config/schema/${file} is not what the code says: run node tools/schema.ts\n`);
    stale++;
  } else {
    writeFileSync(path, `${JSON.stringify(schema, null, 2)}\n`);
  }
}
process.exitCode = stale === 0 ? 0 : 1;
