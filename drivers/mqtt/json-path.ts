/** Paths into a JSON payload: `temperature`, `a.b[0].c`, `[2].value`. */

export type JsonPath = readonly (string | number)[];

/** Names that mean something to JavaScript itself; nobody's device uses them honestly. */
const FORBIDDEN = ['__proto__', 'constructor', 'prototype'];

const SEGMENT = /(?:^|(?<=[^])\.)([^.[\]]+)|\[(\d{1,6})\]/y;

/** The steps of `text`, or null when it is not a path. */
export function parseJsonPath(text: string): JsonPath | null {
  const steps: (string | number)[] = [];
  SEGMENT.lastIndex = 0;
  let end = 0;
  while (end < text.length) {
    const match = SEGMENT.exec(text);
    if (match === null) return null;
    const key = match[1];
    if (key !== undefined && FORBIDDEN.includes(key)) return null;
    steps.push(key ?? Number(match[2]));
    end = SEGMENT.lastIndex;
  }
  return steps.length === 0 ? null : steps;
}

/** What stands at `path`, or undefined when nothing does. Own members only. */
export function readJsonPath(root: unknown, path: JsonPath): unknown {
  let node = root;
  for (const step of path) {
    if (typeof node !== 'object' || node === null) return undefined;
    if (Array.isArray(node) !== (typeof step === 'number') || !Object.hasOwn(node, step)) return undefined;
    node = (node as Record<string | number, unknown>)[step];
  }
  return node;
}

/** The first of the forbidden names that is a key anywhere in `root`, or null. Not recursive: depth is the sender's choice. */
export function forbiddenKey(root: unknown): string | null {
  const open: unknown[] = [root];
  while (open.length > 0) {
    const node = open.pop();
    if (typeof node !== 'object' || node === null) continue;
    for (const key of Object.keys(node)) {
      if (FORBIDDEN.includes(key)) return key;
      open.push((node as Record<string, unknown>)[key]);
    }
  }
  return null;
}

/** Whether `text` could hold a forbidden key: spelled out, or hidden behind an escape. Cheap, so it may run on every message. */
export function mayHoldForbiddenKey(text: string): boolean {
  return (
    text.includes('__proto__') || text.includes('constructor') || text.includes('prototype') || text.includes('\\u')
  );
}
