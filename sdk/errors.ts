/**
 * The error table: every code the product can show, what it means and what to do next. `docs/ERRORS.md` is made from it
 * (`npm run docs`) and a test holds the two together. A retired code is never used again.
 */
export const ERRORS = {
  config_invalid: [
    'The site file or a file it names has findings.',
    'Mend each finding at the line and column it names, then `fibric validate`.',
  ],
  config_unreadable: ['A file of the site cannot be read.', 'Check the path and its permissions.'],
  port_in_use: [
    'The address is taken by another program.',
    'Stop that program, or change `gateway.listen` in the site file.',
  ],
  journal_locked: ['Another gateway runs on this data folder.', 'Stop it first, or give this one a folder of its own.'],
  journal_unsafe: [
    'The journal cannot promise durability here.',
    'Put the data folder on a local disk; the message names the check that failed.',
  ],
  journal_failed: [
    'The journal could not be written or read.',
    'Check disk space and health; the gateway stops acting until it is restarted.',
  ],
  world_mismatch: [
    'A simulated site met a peer that is not its own simulator.',
    'Start the site with `npm start`, or remove `simulation` from a live site.',
  ],
  connection_failed: [
    'A device or server cannot be reached.',
    'Check cable, address and port; the gateway keeps trying.',
  ],
  timeout: ['No answer in time.', 'Check the device; raise `timeout` on its connection if it is known to be slow.'],
  device_refused: [
    'The device answered with an error.',
    'Check address, type and access in its profile against its manual.',
  ],
  bad_payload: [
    'A message could not be understood.',
    'Compare it with the topic and path in the profile; a sample is in the log.',
  ],
  secret_missing: [
    'A named secret slot is empty.',
    'Set the environment variable of that name, or the file named by `<NAME>_FILE`.',
  ],
  operator_invalid: [
    'An operator cannot be loaded.',
    'Mend its definition or its settings; the message names the field.',
  ],
  run_failed: [
    "An operator's run did not end in a plan.",
    'Read the reason; the gateway goes on and the next trigger runs it again.',
  ],
  plan_rejected: ['A plan is not one the executor can take.', 'Mend the operator; the message names the path.'],
  policy_invalid: [
    'A policy has findings and is not used; everything it would have allowed is blocked.',
    'Mend it at the line it names.',
  ],
  policy_signature: [
    'A policy is not signed by a key that the site trusts, or was changed after that; what decided before goes on.',
    'Sign the file again with `fibric policy sign`, by a key that stands under `gateway.policy_keys`.',
  ],
  policy_rollback: [
    'A signed policy is older than one that has counted; what decided before goes on.',
    'Sign the file that is meant as a later version: `fibric policy sign --counter <n>`.',
  ],
  not_reachable: [
    'No gateway answers for this data folder.',
    'Start it with `fibric up <site.yaml>`, or name its folder with `--data`.',
  ],
  unauthorized: ['The token is missing or wrong.', "Use the token in the gateway's data folder."],
  not_found: ['There is no such thing.', 'List what there is with the matching `ls`.'],
  invalid_parameter: ['A parameter is not acceptable.', 'See the message for the accepted range.'],
  invalid_cursor: [
    'A cursor does not belong to this list or to these filters.',
    'Begin the list again without a cursor.',
  ],
  tampered: ['The journal does not verify.', 'Keep the folder as evidence; the message names the first bad row.'],
  forbidden: [
    'This person may not do that.',
    'Ask one whom the site file gives the role, or give it to this person under `people`.',
  ],
  approval_expired: ['The time to approve is over; nothing of it was done.', 'Have it proposed anew.'],
  plan_hash_mismatch: [
    'The plan is not the one that was seen: an approval holds for one plan only.',
    'Look at it again with `fibric plans show`, then decide.',
  ],
  too_late: [
    'It was decided, or done, before.',
    'Take back what it left with `fibric leases release`; `fibric stop-all` holds back what is not sent yet.',
  ],
  conflict: ['The request contradicts the present state.', 'Read the state again, then decide.'],
  internal: ['A defect of the gateway.', 'Report it with the log lines around it.'],
} as const satisfies Record<string, readonly [meaning: string, next: string]>;

export type ErrorCode = keyof typeof ERRORS;

/** An expected failure that crosses a wall: what happened, in one sentence, and what to do next. */
export class FibricError extends Error {
  override readonly name = 'FibricError';
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown }) {
    super(message, options);
    this.code = code;
  }

  /** What to do next. */
  get next(): string {
    return ERRORS[this.code][1];
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
