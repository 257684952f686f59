/** What a verifier reads of rows that come one by one. Nearly all are read in their bytes, which takes a fraction of parsing them. */
import { type Parsed, parseCanonical } from '../journal/canonical.ts';
import { CanonicalNotes, CanonicalScan, UNSURE } from '../journal/canonical-scan.ts';
import { COMMITTED_AS } from './commitment-form.ts';
import { READ, readsCommon } from './shape.ts';

/** Of a row with more to note it is not known in time what it says: it is parsed. */
const NOTES = 64 * 1_024;

export class StoredRows {
  readonly #scan = new CanonicalScan(READ, COMMITTED_AS);
  readonly #said = new CanonicalNotes(READ);
  readonly #notes = new Int32Array(NOTES);
  #bytes: Buffer = Buffer.alloc(0);

  read(body: string): Parsed {
    const room = Buffer.byteLength(body);
    if (this.#bytes.length < room) this.#bytes = Buffer.alloc(room * 2);
    const end = this.#bytes.write(body);
    this.#scan.forget();
    if (this.#scan.scan(this.#bytes, 0, end, this.#notes, 0) === UNSURE) return parseCanonical(body);
    this.#said.begin(this.#bytes, this.#notes);
    const value = this.#said.object(0);
    return readsCommon(value['type']) ? { value } : parseCanonical(body);
  }
}
