/** What zod found, in words for the person who wrote the file: what was expected, what stands there, what was probably meant. */
import { z } from 'zod';
import { didYouMean } from './nearest.ts';
import type { Path } from './yaml.ts';

/** A finding before it has a place. `atKey`: it is about the key at the end of `path`, not about the value. */
export interface DescribedIssue {
  readonly path: Path;
  readonly atKey: boolean;
  readonly message: string;
}

type Issue = z.core.$ZodIssue;

/** Every issue of `error`, given the schema it comes from and the data it is about. */
export function describeIssues(error: z.ZodError, schema: z.ZodType, root: unknown): readonly DescribedIssue[] {
  return error.issues.flatMap((issue) => describe(issue, [], schema, root));
}

function describe(issue: Issue, prefix: Path, schema: z.ZodType, root: unknown): readonly DescribedIssue[] {
  const path = [...prefix, ...issue.path];
  const found = valueAt(root, path);
  const one = (message: string): readonly DescribedIssue[] => [{ path, atKey: false, message }];
  switch (issue.code) {
    case 'unrecognized_keys': {
      const known = [...keysAt(schema, path)];
      return issue.keys.map((key) => ({
        path: [...path, key],
        atKey: true,
        message: `unknown key '${key}'${didYouMean(key, known)}`,
      }));
    }
    case 'invalid_key':
      return [{ path, atKey: true, message: `key '${String(path.at(-1))}': ${first(issue.issues)}` }];
    case 'invalid_type':
      return one(own(issue, found) ?? typeMessage(EXPECTED[issue.expected] ?? issue.expected, found));
    case 'invalid_value':
      return one(own(issue, found) ?? valueMessage(issue.values.map(String), found));
    case 'invalid_union':
      return describeUnion(issue, path, schema, root);
    case 'custom':
    case 'invalid_element':
    case 'invalid_format':
    case 'not_multiple_of':
    case 'too_big':
    case 'too_small':
      return one(lower(issue.message));
  }
}

/** A union's own words, where its parts are only types; else those of the part that was most nearly met. */
function describeUnion(
  issue: z.core.$ZodIssueInvalidUnion,
  path: Path,
  schema: z.ZodType,
  root: unknown,
): readonly DescribedIssue[] {
  const found = valueAt(root, path);
  if (issue.errors.length === 0) {
    const values = [...optionsAt(schema, path)];
    return [{ path, atKey: false, message: valueMessage(values, found) }];
  }
  const inside = issue.errors.filter((branch) => !branch.some(isAnotherKind));
  const nearestBranch = inside.toSorted((a, b) => a.length - b.length)[0];
  if (nearestBranch) return nearestBranch.flatMap((one) => describe(one, path, schema, root));
  const expected = expectations(issue);
  return [{ path, atKey: false, message: typeMessage([...new Set(expected)].join(', or '), found) }];
}

/** True for an issue that says: this is another kind of thing altogether. */
function isAnotherKind(issue: Issue): boolean {
  if (issue.path.length > 0) return false;
  if (issue.code === 'invalid_union') return issue.errors.every((branch) => branch.some(isAnotherKind));
  return issue.code === 'invalid_type' || issue.code === 'invalid_value' || issue.code === 'invalid_format';
}

function expectations(issue: Issue): readonly string[] {
  if (issue.code === 'invalid_union') return issue.errors.flatMap((branch) => branch.flatMap(expectations));
  if (issue.code === 'invalid_type') return [EXPECTED[issue.expected] ?? issue.expected];
  if (issue.code === 'invalid_value') return [oneOf(issue.values.map(String))];
  return [lower(issue.message)];
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a set of keys',
  record: 'a set of keys',
};

/** The schema's own words, where it has any. */
function own(issue: Issue, found: Found): string | null {
  if (issue.message.startsWith('Invalid ')) return null;
  return found.exists ? `${issue.message}, got ${show(found.value)}` : `is missing: ${issue.message}`;
}

function typeMessage(expected: string, found: Found): string {
  if (!found.exists) return `is missing: expected ${expected}`;
  const quote = expected === 'text' && typeof found.value === 'number' ? `; put it in quotes: "${found.value}"` : '';
  return `expected ${expected}, got ${show(found.value)}${quote}`;
}

function valueMessage(values: readonly string[], found: Found): string {
  if (!found.exists) return `is missing: expected ${oneOf(values)}`;
  const meant = typeof found.value === 'string' ? didYouMean(found.value, values) : '';
  return `expected ${oneOf(values)}, got ${show(found.value)}${meant}`;
}

/** A list longer than this is no help. */
const LISTED = 12;

function oneOf(values: readonly string[]): string {
  if (values.length === 1) return String(values[0]);
  const rest = values.length > LISTED ? ', …' : '';
  return `one of ${values.slice(0, LISTED).join(', ')}${rest}`;
}

function show(value: unknown): string {
  if (value === null || value === undefined) return 'nothing';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'string') return `'${value.slice(0, 60)}'`;
  return typeof value === 'object' ? 'a set of keys' : JSON.stringify(value);
}

function first(issues: readonly Issue[]): string {
  return lower(issues[0]?.message ?? 'not accepted');
}

function lower(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

interface Found {
  readonly exists: boolean;
  readonly value: unknown;
}

function valueAt(root: unknown, path: Path): Found {
  let value = root;
  for (const key of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key))
      return { exists: false, value: undefined };
    value = (value as Record<PropertyKey, unknown>)[key];
  }
  return { exists: true, value };
}

/** The keys that `schema` knows at `path`. */
function keysAt(schema: z.ZodType, path: Path): ReadonlySet<string> {
  return new Set(partsAt(schema, path).flatMap((part) => (part instanceof z.ZodObject ? Object.keys(part.shape) : [])));
}

/** The words that `schema` knows at `path`: what a discriminated union is told apart by. */
function optionsAt(schema: z.ZodType, path: Path): ReadonlySet<string> {
  return new Set(
    partsAt(schema, path).flatMap((part) =>
      part instanceof z.ZodLiteral || part instanceof z.ZodEnum ? [...part._zod.values].map(String) : [],
    ),
  );
}

/** Every schema that could apply at `path`, wrappers taken off: several inside a union. */
function partsAt(schema: z.core.$ZodType, path: Path): readonly z.core.$ZodType[] {
  const open = unwrap(schema);
  const [key, ...rest] = path;
  if (key === undefined) return open;
  return open.flatMap((part) => {
    if (part instanceof z.ZodObject) {
      const inner = (part.shape as Readonly<Record<PropertyKey, z.core.$ZodType | undefined>>)[key];
      return inner === undefined ? [] : partsAt(inner, rest);
    }
    if (part instanceof z.ZodArray) return partsAt(part.element, rest);
    return part instanceof z.ZodRecord ? partsAt(part.valueType, rest) : [];
  });
}

function unwrap(schema: z.core.$ZodType): readonly z.core.$ZodType[] {
  if (schema instanceof z.ZodUnion) return schema.options.flatMap(unwrap);
  if (schema instanceof z.ZodIntersection) return [...unwrap(schema.def.left), ...unwrap(schema.def.right)];
  if (schema instanceof z.ZodPipe) return unwrap(schema.in);
  if (schema instanceof z.ZodLazy) return unwrap(schema.def.getter());
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodNullable) return unwrap(schema.unwrap());
  if (schema instanceof z.ZodDefault || schema instanceof z.ZodPrefault) return unwrap(schema.unwrap());
  return schema instanceof z.ZodReadonly ? unwrap(schema.unwrap()) : [schema];
}
