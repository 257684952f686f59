/**
 * Fields that can be erased: the row holds a commitment in their place, value and salt lie beside it (G-R-8). Without the salt nobody
 * can tell which value it was, however few there are.
 */
import { hash } from 'node:crypto';
import { canonicalText } from '../journal/canonical.ts';
import { COMMIT } from './commitment-form.ts';

/** By kind of row: the fields that are committed to. In the row `<field>_c` stands for `<field>`. */
export const COMMITTED: Readonly<Record<string, readonly string[]>> = {
  'plan/1': ['reasoning', 'trigger'],
  'receipt/1': ['reasoning'],
};

/** The row as it is stored and hashed, and what opens its commitments. A field that is null has nothing to commit to. */
export function committed(
  row: object & { readonly type: string },
  salt: () => Buffer,
): { readonly stored: object; readonly openings: readonly Opening[] } {
  const fields = COMMITTED[row.type];
  if (!fields) return { stored: row, openings: [] };
  const stored: Record<string, unknown> = {};
  const openings: Opening[] = [];
  for (const [field, value] of Object.entries(row)) {
    if (!fields.includes(field)) stored[field] = value;
    else if (value === null) stored[`${field}_c`] = null;
    else {
      const opening = { field, salt: salt(), value: value as unknown };
      openings.push(opening);
      stored[`${field}_c`] = commitment(opening.salt, canonicalText(value));
    }
  }
  return { stored, openings };
}

/** The row as it was meant: what was erased is null. */
export function opened(row: Readonly<Record<string, unknown>>, openings: readonly Opening[]): object {
  const meant: Record<string, unknown> = { ...row };
  for (const field of COMMITTED[String(row['type'])] ?? []) {
    if (!(`${field}_c` in meant)) continue;
    delete meant[`${field}_c`];
    meant[field] = openings.find((opening) => opening.field === field)?.value ?? null;
  }
  return meant;
}

/** What opens a commitment. */
export interface Opening {
  readonly field: string;
  readonly salt: Buffer;
  readonly value: unknown;
}

/** SHA-256("commit/1" ‖ salt ‖ `text`), in hex; `text` is the canonical JSON of the value. */
export function commitment(salt: Buffer, text: string): string {
  return hash('sha256', Buffer.concat([Buffer.from(COMMIT), salt, Buffer.from(text)]), 'hex');
}
