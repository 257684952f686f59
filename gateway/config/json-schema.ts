/** The schemas of site files and profiles as JSON Schema, for editors: what a person writes, not what comes out of it. */
import type { DriverModule } from '@fibric/sdk';
import { z } from 'zod';
import { anyProfileSchema } from './profile-schema.ts';
import { anySiteSchema } from './site-schema.ts';

/** File name to schema. What JSON Schema cannot say is left open. */
export function jsonSchemas(drivers: readonly DriverModule[]): Readonly<Record<string, object>> {
  return {
    'site.json': jsonSchema('A site of Fibric Edge', anySiteSchema(drivers)),
    'profile.json': jsonSchema('A device profile of Fibric Edge', anyProfileSchema(drivers)),
  };
}

function jsonSchema(title: string, schema: z.ZodType): object {
  return { title, ...z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any', reused: 'ref' }) };
}
