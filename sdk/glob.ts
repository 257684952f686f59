/** One-segment globs: `*` stands for exactly one segment. `zone.*` matches `zone.temperature`, not `zone.hvac.fault`. */

/** True when `text` matches `pattern`, both split at `separator`. */
export function matchesGlob(pattern: string, text: string, separator: '.' | ':' | '/' = '.'): boolean {
  if (pattern === text) return true;
  const wanted = pattern.split(separator);
  const given = text.split(separator);
  return wanted.length === given.length && wanted.every((segment, i) => segment === '*' || segment === given[i]);
}
