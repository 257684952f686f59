/** What a commitment is (docs/RECEIPTS.md §3), as far as one has to know to check it. */

/** What is hashed begins with this and so much salt. */
export const COMMIT = 'commit/1';
export const SALT_BYTES = 16;
/** How the names of members end that are commitments. */
export const COMMITTED_AS = '_c';
