import { expect, it } from 'vitest';
import { DRIVERS } from './fixture.ts';
import { jsonSchemas } from './json-schema.ts';

it('an editor is told the keys of the product and of every driver, and that there are no others', () => {
  const schemas = jsonSchemas(DRIVERS);
  const site = JSON.stringify(schemas['site.json']);
  const profile = JSON.stringify(schemas['profile.json']);
  for (const key of ['tenant', 'timezone', 'connections', 'url', 'connector', 'unit', 'topic'])
    expect(site).toContain(`"${key}"`);
  for (const key of ['register', 'path', 'plausibility', 'stale_after', 'writes'])
    expect(profile).toContain(`"${key}"`);
  expect(schemas['site.json']).toMatchObject({ additionalProperties: false });
});
