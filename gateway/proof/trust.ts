/** Whom a verifier believes: logs, witnesses and how many of them, as a C2SP tlog-policy file says. */
import { type Checkpoint, LOG_KEY, type NoteKey, parseKey, signedBy, WITNESS_KEY } from './note.ts';

interface Group {
  readonly least: number;
  readonly members: readonly string[];
}

export interface Trust {
  readonly logs: readonly NoteKey[];
  readonly witnesses: ReadonlyMap<string, NoteKey>;
  readonly groups: ReadonlyMap<string, Group>;
  /** A witness or a group; null: no cosignature is asked for. */
  readonly quorum: string | null;
}

/** A trust file is a page, not a database. */
const MOST_LINES = 1_000;

/** Reads a trust file, or says which line makes no sense. */
export function parseTrust(text: string): Trust | string {
  const lines = text.split('\n');
  if (lines.length > MOST_LINES) return `more than ${MOST_LINES} lines`;
  const trust = { logs: [] as NoteKey[], witnesses: new Map<string, NoteKey>(), groups: new Map<string, Group>() };
  let quorum: string | undefined;
  for (const [i, line] of lines.entries()) {
    const words = line.split(/[ \t]+/).filter((word) => word !== '');
    if (words.length === 0 || words[0]?.startsWith('#')) continue;
    if (words[0] === 'quorum') {
      const [, name = ''] = words;
      const known = name === 'none' || trust.witnesses.has(name) || trust.groups.has(name);
      if (quorum !== undefined || words.length !== 2 || !known)
        return `line ${i + 1}: expected one quorum, of a name above it`;
      quorum = name;
      continue;
    }
    const fault = takeLine(trust, words);
    if (fault !== null) return `line ${i + 1}: ${fault}`;
  }
  if (quorum === undefined) return "no 'quorum' line; without witnesses it is 'quorum none'";
  return { ...trust, quorum: quorum === 'none' ? null : quorum };
}

function takeLine(
  trust: { logs: NoteKey[]; witnesses: Map<string, NoteKey>; groups: Map<string, Group> },
  [word, ...words]: readonly string[],
): string | null {
  const [name = '', text = ''] = words;
  const taken = name === 'none' || trust.witnesses.has(name) || trust.groups.has(name);
  if (word === 'log') {
    const key = parseKey(name);
    if (typeof key === 'string') return key;
    if (key.type !== LOG_KEY || words.length > 2) return 'expected log <key> [<url>]';
    if (trust.logs.some(({ name: other, id }) => other === key.name && id === key.id))
      return 'a log that stands there twice';
    trust.logs.push(key);
    return null;
  }
  if (taken) return `'${name}' has a meaning already`;
  if (word === 'witness') {
    const key = parseKey(text);
    if (typeof key === 'string') return key;
    if (key.type !== WITNESS_KEY || words.length > 3) return 'expected witness <name> <key> [<url>]';
    // One key is one witness, however many names it has.
    if ([...trust.witnesses.values()].some(({ publicKey }) => publicKey.equals(key.publicKey)))
      return 'the key of a witness that stands there already';
    trust.witnesses.set(name, key);
    return null;
  }
  if (word !== 'group') return `unknown word '${word ?? ''}'; there are log, witness, group and quorum`;
  return takeGroup(trust, name, text, words.slice(2));
}

function takeGroup(
  trust: { witnesses: ReadonlyMap<string, NoteKey>; groups: Map<string, Group> },
  name: string,
  least: string,
  members: readonly string[],
): string | null {
  const elsewhere = new Set([...trust.groups.values()].flatMap((group) => group.members));
  const known = (member: string): boolean => trust.witnesses.has(member) || trust.groups.has(member);
  if (!members.every((member, i) => known(member) && !elsewhere.has(member) && members.indexOf(member) === i))
    return 'a group is of witnesses and groups above it, each in one group';
  const count =
    least === 'all' ? members.length : least === 'any' ? 1 : /^[1-9]\d{0,3}$/.test(least) ? Number(least) : 0;
  if (count < 1 || count > members.length) return 'expected group <name> <all | any | number> <member...>';
  trust.groups.set(name, { least: count, members });
  return null;
}

/** What a trust says of a checkpoint. `forged`: it claims to be of a trusted key, and is not. */
export type Judgement =
  | { readonly kind: 'trusted'; readonly witnessed: readonly { readonly witness: string; readonly at_s: number }[] }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'forged'; readonly name: string };

export function judge(trust: Trust, checkpoint: Checkpoint): Judgement {
  const keys = trust.logs.filter(({ name }) => name === checkpoint.origin);
  const found = keys.map((key) => signedBy(checkpoint, key).kind);
  // Under the name of a log that is trusted only that log signs.
  if (found.includes('bad') || (keys.length > 0 && !found.includes('good')))
    return { kind: 'forged', name: checkpoint.origin };
  const witnessed = new Map<string, number>();
  for (const [name, key] of trust.witnesses) {
    const cosigned = signedBy(checkpoint, key);
    if (cosigned.kind === 'bad') return { kind: 'forged', name: key.name };
    if (cosigned.kind === 'good') witnessed.set(name, cosigned.at_s ?? 0);
  }
  const counts = (name: string): boolean => {
    const group = trust.groups.get(name);
    return group ? group.members.filter(counts).length >= group.least : witnessed.has(name);
  };
  if (keys.length === 0 || (trust.quorum !== null && !counts(trust.quorum))) return { kind: 'unknown' };
  return { kind: 'trusted', witnessed: [...witnessed].map(([witness, at_s]) => ({ witness, at_s })) };
}
