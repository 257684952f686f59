/**
 * A witness of logs (C2SP tlog-witness): cosigns a checkpoint only if it continues the one that it cosigned last. Written from the
 * standards alone, and shares nothing with the gateway that it watches.
 *
 * W1 What it cosigns continues all that it cosigned under this name before (RFC 9162 §2.1.4.2); else 409 with the size it knows, or 422.
 * W2 The new size is kept before the cosignature is given.
 */
import { createHash, createPublicKey, generateKeyPairSync, type KeyObject, sign, verify } from 'node:crypto';

interface Seen {
  readonly size: number;
  readonly root: Buffer;
}

export interface WitnessAnswer {
  readonly status: 200 | 400 | 403 | 404 | 409 | 422;
  readonly type: 'text/plain' | 'text/x.tlog.size';
  readonly body: string;
}

const sha256 = (...parts: readonly (Buffer | string)[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const nodeHash = (left: Buffer, right: Buffer): Buffer => sha256(Buffer.of(1), left, right);
const answer = (status: WitnessAnswer['status'], body: string): WitnessAnswer => ({ status, type: 'text/plain', body });

export class Witness {
  readonly name: string;
  readonly #nowS: () => number;
  #key: KeyObject;
  #publicKey: Buffer;
  readonly #logs = new Map<string, KeyObject>();
  readonly #seen = new Map<string, Seen>();

  constructor(name: string, nowS: () => number) {
    this.name = name;
    this.#nowS = nowS;
    const { privateKey, publicKey } = generateKeyPairSync('ed25519');
    this.#key = privateKey;
    this.#publicKey = Buffer.from(publicKey.export({ format: 'jwk' }).x ?? '', 'base64url');
  }

  /** Its key, as those who trust it write it: `<name>+<id>+<base64>`. */
  get key(): string {
    const typed = Buffer.concat([Buffer.of(4), this.#publicKey]);
    return `${this.name}+${this.#id().toString('hex')}+${typed.toString('base64')}`;
  }

  /** The size it cosigned last for a log; 0 for none. */
  sizeOf(origin: string): number {
    return this.#seen.get(origin)?.size ?? 0;
  }

  /** It as it is now, as a backup of its database has it. */
  backup(): Witness {
    const copy = new Witness(this.name, this.#nowS);
    copy.#key = this.#key;
    copy.#publicKey = this.#publicKey;
    for (const [origin, key] of this.#logs) copy.#logs.set(origin, key);
    for (const [origin, seen] of this.#seen) copy.#seen.set(origin, seen);
    return copy;
  }

  /** Enrols the log of this key: from now on only it signs under its name. */
  enrol(key: string): void {
    const [, name = '', encoded = ''] = /^([^+]+)\+[0-9a-f]{8}\+(.+)$/.exec(key) ?? [];
    const x = Buffer.from(encoded, 'base64').subarray(1).toString('base64url');
    this.#logs.set(name, createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' }));
  }

  /** `POST <prefix>/add-checkpoint`. */
  addCheckpoint(body: string): WitnessAnswer {
    const match =
      /^old (0|[1-9]\d*)\n((?:[A-Za-z0-9+/]{43}=\n){0,63})\n((.+)\n(0|[1-9]\d*)\n([A-Za-z0-9+/]{43}=)\n)\n([^]*)$/u.exec(
        body,
      );
    if (match === null) return answer(400, 'not an old size, a proof and a checkpoint\n');
    const [, oldText, lines = '', text = '', origin = '', sizeText, rootText = '', signatures = ''] = match;
    const [old, size, root] = [Number(oldText), Number(sizeText), Buffer.from(rootText, 'base64')];
    const key = this.#logs.get(origin);
    if (key === undefined) return answer(404, 'this log is not known here\n');
    if (!signedBy(key, origin, text, signatures)) return answer(403, 'not signed by the key of this log\n');
    if (old > size) return answer(400, 'the old size is larger than the new one\n');
    const seen = this.#seen.get(origin) ?? { size: 0, root: sha256() };
    if (old !== seen.size) return { status: 409, type: 'text/x.tlog.size', body: `${seen.size}\n` };
    if (old === size && !root.equals(seen.root))
      return { status: 409, type: 'text/x.tlog.size', body: `${seen.size}\n` };
    const proof = lines
      .split('\n')
      .filter(Boolean)
      .map((line) => Buffer.from(line, 'base64'));
    const continues = old === 0 ? proof.length === 0 : consistent(old, size, seen.root, root, proof);
    if (!continues) return answer(422, 'this tree does not begin with the one that was cosigned last\n');
    this.#seen.set(origin, { size, root });
    return answer(200, this.#cosign(text));
  }

  #id(): Buffer {
    return sha256(`${this.name}\n`, Buffer.of(4), this.#publicKey).subarray(0, 4);
  }

  #cosign(text: string): string {
    const at = BigInt(Math.floor(this.#nowS()));
    const signature = sign(null, Buffer.from(`cosignature/v1\ntime ${at}\n${text}`), this.#key);
    const time = Buffer.alloc(8);
    time.writeBigUInt64BE(at);
    return `— ${this.name} ${Buffer.concat([this.#id(), time, signature]).toString('base64')}\n`;
  }
}

function signedBy(key: KeyObject, origin: string, text: string, signatures: string): boolean {
  return signatures.split('\n').some((line) => {
    const [dash, name, encoded = ''] = line.split(' ');
    const signature = Buffer.from(encoded, 'base64').subarray(4);
    return dash === '—' && name === origin && verify(null, Buffer.from(text), key, signature);
  });
}

/** RFC 9162 §2.1.4.2. */
function consistent(first: number, second: number, root1: Buffer, root2: Buffer, proof: readonly Buffer[]): boolean {
  if (first === second) return proof.length === 0 && root1.equals(root2);
  if (proof.length === 0) return false;
  const path = Number.isInteger(Math.log2(first)) ? [root1, ...proof] : proof;
  let [fn, sn] = [BigInt(first - 1), BigInt(second - 1)];
  while (fn & 1n) [fn, sn] = [fn >> 1n, sn >> 1n];
  let [fr, sr] = [path[0] as Buffer, path[0] as Buffer];
  for (const part of path.slice(1)) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      [fr, sr] = [nodeHash(part, fr), nodeHash(part, sr)];
      while (!(fn & 1n) && fn !== 0n) [fn, sn] = [fn >> 1n, sn >> 1n];
    } else sr = nodeHash(sr, part);
    [fn, sn] = [fn >> 1n, sn >> 1n];
  }
  return fr.equals(root1) && sr.equals(root2) && sn === 0n;
}
