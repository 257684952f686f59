/**
 * YAML 1.2 without its traps (G-PS-3): no anchors, aliases, merge keys, tags or directives, no key twice, numbers in plain
 * decimal, no `yes` or `NO` that one reader takes for a word and another for a boolean.
 */
import { LIMITS } from '@fibric/sdk';
import {
  isAlias,
  isCollection,
  isMap,
  isPair,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
} from 'yaml';

/** The way to a part of a file: keys and, in lists, numbers from 0. */
export type Path = readonly PropertyKey[];

/** A place in a text; both count from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** Something in the text that is refused whatever the schema says. */
export interface Trap extends Place {
  readonly path: Path;
  readonly message: string;
}

export interface Yaml {
  readonly root: unknown;
  readonly locate: (path: Path) => Place;
  readonly locateKey: (path: Path) => Place;
}

/** JSON's numbers, which every reader takes for the same number. */
const DECIMAL = /^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/;
/** What another YAML reader takes for a number, and this one for text: `1_0`, `0b11`. */
const ALMOST_NUMBER = /^[-+]?(\d[\d_]*_[\d_.]*|0[bB][01_]+|0[xX][\da-fA-F_]+)$/;
/** YAML 1.1's booleans. */
const ALMOST_BOOLEAN = /^(y|yes|n|no|on|off)$/i;
const UNSAFE_KEYS: ReadonlySet<string> = new Set(['__proto__', 'constructor', 'prototype']);

const TOO_DEEP = `nested deeper than ${LIMITS.configDepth}`;

interface Walk {
  readonly place: (offset: number) => Place;
  readonly traps: Trap[];
  /** False once something was met that cannot be turned into plain data. */
  plain: boolean;
}

/** `value` is null when the text cannot be read at all; `traps` then says why. */
export function parseYaml(text: string): { readonly value: Yaml | null; readonly traps: readonly Trap[] } {
  const top = { line: 1, column: 1, path: [] };
  if (text.length > LIMITS.configChars) {
    return { value: null, traps: [{ ...top, message: `longer than ${LIMITS.configChars} characters` }] };
  }
  const lines = new LineCounter();
  const place = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    uniqueKeys: false,
    logLevel: 'error',
  });
  const traps: Trap[] = document.errors.map((e) => ({ ...place(e.pos[0]), path: [], message: syntaxMessage(e) }));
  if (traps.length > 0) return { value: null, traps };
  const walk: Walk = { place, traps, plain: true };
  if (document.directives?.yaml.explicit === true) traps.push({ ...top, message: 'a %YAML directive is not accepted' });
  walkNode(document.contents, [], walk);
  if (!walk.plain) return { value: null, traps };
  const contents = document.contents;
  return {
    value: {
      root: document.toJS() as unknown,
      locate: (path) => place(start(nodeAt(contents, path))),
      locateKey: (path) => place(start(keyAt(contents, path))),
    },
    traps,
  };
}

function syntaxMessage(error: { code: string; message: string }): string {
  if (error.message.startsWith('Maximum call stack')) return TOO_DEEP;
  if (error.code === 'MULTIPLE_DOCS') return 'more than one document in one file';
  return error.message.charAt(0).toLowerCase() + error.message.slice(1);
}

function walkNode(node: Node | Pair | null, path: Path, walk: Walk): void {
  const trap = (message: string): void => {
    walk.traps.push({ ...walk.place(start(node)), path, message });
  };
  if (node === null || isPair(node)) return;
  if (path.length > LIMITS.configDepth) {
    walk.plain = false;
    trap(TOO_DEEP);
    return;
  }
  if (isAlias(node)) {
    walk.plain = false;
    trap(`an alias (*${node.source}) is not accepted: write the value out`);
    return;
  }
  if ((isScalar(node) || isCollection(node)) && node.anchor !== undefined) {
    trap(`an anchor (&${node.anchor}) is not accepted: write the value out where it is used`);
  }
  if (node.tag !== undefined) trap(`a tag (${node.tag}) is not accepted`);
  if (isScalar(node)) {
    const message = scalarTrap(node.value, node.source ?? '', node.type === 'PLAIN');
    if (message !== null) trap(message);
  } else if (isSeq(node)) {
    node.items.forEach((item, i) => {
      walkNode(item as Node, [...path, i], walk);
    });
  } else if (isMap(node)) {
    walkMap(node.items, path, walk);
  }
}

function walkMap(pairs: readonly Pair[], path: Path, walk: Walk): void {
  const seen = new Set<string>();
  for (const pair of pairs) {
    const trap = (message: string): void => {
      walk.traps.push({ ...walk.place(start(pair.key as Node)), path, message });
    };
    const key = keyText(pair);
    if (key === null) {
      walk.plain = false;
      trap('a key must be a word');
      continue;
    }
    if (key === '<<') trap('a merge key (<<) is not accepted: write the values out');
    if (UNSAFE_KEYS.has(key)) trap(`the key '${key}' is not accepted`);
    if (seen.has(key)) trap(`the key '${key}' stands here twice`);
    seen.add(key);
    if (isScalar(pair.key)) {
      if (pair.key.anchor !== undefined || pair.key.tag !== undefined) trap('a key takes no anchor and no tag');
      if (typeof pair.key.value === 'number' && !DECIMAL.test(pair.key.source ?? ''))
        trap(decimalOnly(pair.key.source ?? ''));
    }
    walkNode(pair.value as Node | null, [...path, key], walk);
  }
}

/** What is wrong with a single value as it is written, or null. */
function scalarTrap(value: unknown, source: string, plain: boolean): string | null {
  if (typeof value === 'number') {
    if (!DECIMAL.test(source) || !Number.isFinite(value) || Object.is(value, -0)) return decimalOnly(source);
    if (Number.isInteger(value) && !Number.isSafeInteger(value))
      return `${source} is too large to be exact: at most 2^53 − 1`;
    return null;
  }
  if (!plain || typeof value !== 'string') return null;
  if (ALMOST_NUMBER.test(value)) return decimalOnly(value);
  if (ALMOST_BOOLEAN.test(value))
    return `write true or false, or "${value}" in quotes if the word is meant, got ${value}`;
  return null;
}

function decimalOnly(source: string): string {
  return `a number is written in plain decimal such as 20 or 0.5, got ${source}; put it in quotes if it is a name`;
}

function keyText(pair: Pair): string | null {
  const key = pair.key;
  if (!isScalar(key)) return null;
  return typeof key.value === 'string' || typeof key.value === 'number' ? String(key.value) : null;
}

function start(node: unknown): number {
  return (node as Node | null)?.range?.[0] ?? 0;
}

function child(node: unknown, key: PropertyKey): { readonly key: unknown; readonly value: unknown } | null {
  if (isSeq(node) && typeof key === 'number') {
    const value = node.items[key];
    return value === undefined ? null : { key: value, value };
  }
  return isMap(node) ? (node.items.find((pair) => keyText(pair) === String(key)) ?? null) : null;
}

/** The node at `path`, or the deepest one on the way that exists. A key without a value stands for it. */
function nodeAt(root: unknown, path: Path): unknown {
  let at = root;
  for (const key of path) {
    const next = child(at, key);
    if (next === null) return at;
    if (next.value === null) return next.key;
    at = next.value;
  }
  return at;
}

function keyAt(root: unknown, path: Path): unknown {
  const last = path.at(-1);
  const parent = nodeAt(root, path.slice(0, -1));
  return (last === undefined ? null : child(parent, last)?.key) ?? parent;
}
