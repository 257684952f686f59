/** A YAML file of the site: read once, checked against a schema as often as there is something to check. */
import { readFileSync } from 'node:fs';
import { messageOf } from '@fibric/sdk';
import { checkYaml, type Finding, finding, type Path, type Place } from '@fibric/policy';
import { z } from 'zod';

export interface Source {
  /** As findings name it. */
  readonly file: string;
  readonly bytes: Buffer;
  /** What stands in the file, as plain data. */
  readonly root: unknown;
  check<S extends z.ZodType>(schema: S): { readonly value: z.output<S> } | { readonly findings: readonly Finding[] };
  /** A finding about the value at `path`, or about the key there. */
  at(path: Path, message: string): Finding;
  atKey(path: Path, message: string): Finding;
}

/** The file, or why it cannot be read at all: then nothing more can be said about it. */
export function readSource(file: string): Source | { readonly findings: readonly Finding[] } {
  const bytes = readBytes(file);
  if (typeof bytes === 'string') return { findings: [wholeFile(file, bytes)] };
  const text = bytes.toString('utf8');
  const plain = checkYaml(text, file, z.unknown());
  if ('findings' in plain) return plain;
  const find = (locate: (path: Path) => Place, path: Path, message: string): Finding =>
    finding(file, locate(path), path, message);
  return {
    file,
    bytes,
    root: plain.value,
    check: (schema) => checkYaml(text, file, schema),
    at: (path, message) => find(plain.locate, path, message),
    atKey: (path, message) => find(plain.locateKey, path, message),
  };
}

/** The bytes of a file, or why there are none. */
export function readBytes(file: string): Buffer | string {
  try {
    return readFileSync(file);
  } catch (error) {
    const missing = (error as NodeJS.ErrnoException).code === 'ENOENT';
    return missing ? 'there is no such file' : `cannot be read: ${messageOf(error)}`;
  }
}

export function wholeFile(file: string, message: string): Finding {
  return finding(file, { line: 1, column: 1 }, [], message);
}
