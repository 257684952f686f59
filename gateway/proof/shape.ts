/** What a verifier reads of a row must be there, and of its kind; everything else in a row it only hashes. */

type Fields = Readonly<Record<string, unknown>>;

const isObject = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
const text = (value: unknown): boolean => typeof value === 'string';
const textOrNull = (value: unknown): boolean => value === null || text(value);
const place = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) > 0;

/** Kinds that a bundle is full of, and all that a verifier reads of them and of what is inside of them; it reads no more of kinds unknown. */
const COMMON = ['plan/1', 'intent/1', 'receipt/1'];
export const READ = [
  'action',
  'action_id',
  'actions',
  'approvers',
  'at',
  'idempotency_key',
  'outcome',
  'prev',
  'reason_code',
  'seq',
  'status',
  'type',
  'waiting',
] as const;

const SHAPES: ReadonlyMap<string, (row: Fields) => boolean> = new Map([
  ['boot/1', (row) => place(row['epoch'])],
  ['plan/1', (row) => listOf(row['actions'], isPlanned)],
  [
    'approval/1',
    (row) => text(row['effect']) && text(row['decision']) && listOf(row['actions'], (one) => text(one['action_id'])),
  ],
  ['intent/1', (row) => text(row['action_id'])],
  [
    'receipt/1',
    (row) =>
      text(row['action_id']) &&
      text(row['outcome']) &&
      textOrNull(row['reason_code']) &&
      textOrNull(row['idempotency_key']),
  ],
  ['correction/1', (row) => text(row['action_id']) && text(row['idempotency_key']) && text(row['conclusion'])],
  ['incarnation/1', (row) => text(row['origin']) && text(row['key'])],
  ['checkpoint/1', (row) => text(row['note'])],
  ['cosignature/1', (row) => text(row['note'])],
  [
    'redaction/1',
    (row) =>
      text(row['who']) &&
      text(row['reason']) &&
      listOf(row['erased'], (one) => place(one['seq']) && text(one['field'])),
  ],
]);

function isPlanned({ action, status, waiting }: Fields): boolean {
  if (!isObject(action) || !text(action['action_id']) || !text(status)) return false;
  return status !== 'awaiting' || (isObject(waiting) && place(waiting['approvers']));
}

function listOf(value: unknown, holds: (one: Fields) => boolean): boolean {
  return Array.isArray(value) && value.every((one) => isObject(one) && holds(one));
}

/** Why `value` is not a row, or null. */
export function shapeFault(value: unknown): string | null {
  if (!isObject(value) || !place(value['seq']) || !text(value['type']) || !text(value['prev']) || !text(value['at']))
    return 'its content is not a row';
  const type = value['type'] as string;
  return (SHAPES.get(type)?.(value) ?? true) ? null : `its content is not a row of kind ${type}`;
}

/** Whether `READ` is all that is read of rows of that kind. */
export const readsCommon = (type: unknown): boolean => COMMON.includes(type as string) || !SHAPES.has(type as string);
