/**
 * What is wrong with a file that a person wrote: every finding at once, each with its place and, where one can guess, the word
 * that was meant. Used for policies and by the gateway for the site file and the device profiles.
 */
import type { z } from 'zod';
import { describeIssues } from './issues.ts';
import { parseYaml, type Path, type Place } from './yaml.ts';

/** One thing to mend. Line and column count from 1; `path` is empty for the file as a whole. */
export interface Finding extends Place {
  readonly file: string;
  readonly path: string;
  readonly message: string;
}

/** `policy.yaml:7:3 limits.hvac.setpoint: unknown key 'max_per_runs'; did you mean 'max_per_run'?` */
export function formatFinding(finding: Finding): string {
  const where = `${finding.file}:${finding.line}:${finding.column}`;
  return finding.path === '' ? `${where} ${finding.message}` : `${where} ${finding.path}: ${finding.message}`;
}

/** `['rules', 0, 'match']` as `rules[0].match`. */
export function formatPath(path: Path): string {
  return path
    .map((key, i) => (typeof key === 'number' ? `[${key}]` : i === 0 ? String(key) : `.${String(key)}`))
    .join('');
}

/** A file that fits its schema: its value, and where each part of it stands. */
export interface Checked<T> {
  readonly value: T;
  /** The place of the value at `path`; of the closest part that exists when there is none. */
  readonly locate: (path: Path) => Place;
  /** The place of the key at the end of `path`. */
  readonly locateKey: (path: Path) => Place;
}

/** The text of a YAML file as `schema` wants it, or everything that is wrong with it. Narrow with `'findings' in result`. */
export function checkYaml<S extends z.ZodType>(
  text: string,
  file: string,
  schema: S,
): Checked<z.output<S>> | { readonly findings: readonly Finding[] } {
  const yaml = parseYaml(text);
  const found = yaml.traps.map((trap) => finding(file, trap, trap.path, trap.message));
  if (yaml.value === null) return { findings: found };
  const { root, locate, locateKey } = yaml.value;
  const parsed = schema.safeParse(root);
  if (parsed.success && found.length === 0) return { value: parsed.data, locate, locateKey };
  const seen = new Set(found.map((f) => `${f.line}:${f.column}`));
  for (const issue of parsed.success ? [] : describeIssues(parsed.error, schema, root)) {
    const place = issue.atKey ? locateKey(issue.path) : locate(issue.path);
    // A value that is refused as it is written need not be refused for its type as well.
    if (seen.has(`${place.line}:${place.column}`)) continue;
    const path = issue.atKey ? issue.path.slice(0, -1) : issue.path;
    found.push(finding(file, place, path, issue.message));
  }
  return { findings: inOrder(found) };
}

/** A finding at `place`. */
export function finding(file: string, place: Place, path: Path, message: string): Finding {
  return { file, line: place.line, column: place.column, path: formatPath(path), message };
}

/** In the order of the text. */
export function inOrder(findings: readonly Finding[]): readonly Finding[] {
  return findings.toSorted((a, b) => a.file.localeCompare(b.file, 'en') || a.line - b.line || a.column - b.column);
}
