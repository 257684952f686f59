/** A table of the projection: its rows by key, and which of them changed since they were last stored. */
export class Table<T> {
  readonly name: string;
  readonly rows = new Map<string, T>();
  #dirty = new Set<string>();
  readonly #encode: (row: T) => string;
  readonly #decode: (text: string) => T;

  constructor(name: string, encode: (row: T) => string = JSON.stringify, decode: (text: string) => T = JSON.parse) {
    this.name = name;
    this.#encode = encode;
    this.#decode = decode;
  }

  /** Keys whose rows are not stored as they are. */
  get dirty(): ReadonlySet<string> {
    return this.#dirty;
  }

  /** A new set: what one that is emptied over and over once held is kept alive by its earlier selves. */
  stored(): void {
    if (this.#dirty.size > 0) this.#dirty = new Set();
  }

  /** Takes a row in as it was stored. */
  load(key: string, text: string): void {
    this.rows.set(key, this.#decode(text));
  }

  /** The row under `key` as it is stored, or null when there is none. */
  encoded(key: string): string | null {
    const row = this.rows.get(key);
    return row === undefined ? null : this.#encode(row);
  }

  set(key: string, row: T): void {
    this.rows.set(key, row);
    this.#dirty.add(key);
  }

  delete(key: string): void {
    if (this.rows.delete(key)) this.#dirty.add(key);
  }
}
