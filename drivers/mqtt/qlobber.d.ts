/** The part of qlobber that the driver uses; the package brings no types. */
declare module 'qlobber' {
  export class Qlobber<V> {
    constructor(options: {
      separator: string;
      wildcard_one: string;
      wildcard_some: string;
      match_empty_levels: boolean;
      max_words: number;
    });
    add(filter: string, value: V): this;
    match(topic: string): V[];
  }
}
