/**
 * Errors on the wire.
 *
 * A3 Every answer that is not a success is `{error: {type, code, message, doc_url, request_id}}`: 404 and 500 as well.
 */
import { type ErrorCode, FibricError, messageOf } from '@fibric/sdk';
import { z } from 'zod';

type ErrorType =
  | 'invalid_request_error'
  | 'authentication_error'
  | 'permission_error'
  | 'not_found_error'
  | 'conflict_error'
  | 'api_error';

/** Codes that are not the gateway's own fault; all others are answered with 500. */
const STATUS: Partial<Record<ErrorCode, readonly [status: number, type: ErrorType]>> = {
  invalid_parameter: [400, 'invalid_request_error'],
  invalid_cursor: [400, 'invalid_request_error'],
  unauthorized: [401, 'authentication_error'],
  not_found: [404, 'not_found_error'],
  forbidden: [403, 'permission_error'],
  approval_expired: [409, 'conflict_error'],
  plan_hash_mismatch: [409, 'conflict_error'],
  too_late: [409, 'conflict_error'],
  conflict: [409, 'conflict_error'],
};

export interface WireError {
  readonly error: {
    readonly type: ErrorType;
    readonly code: ErrorCode;
    readonly message: string;
    readonly doc_url: string;
    readonly request_id: string;
  };
}

/** The status and the body for anything that was thrown. What is not expected tells the outside nothing of the inside. */
export function wireError(thrown: unknown, requestId: string): { readonly status: number; readonly body: WireError } {
  const error = asFibricError(thrown);
  const [status, type] = STATUS[error.code] ?? [500, 'api_error'];
  return {
    status,
    body: {
      error: {
        type,
        code: error.code,
        message: error.message,
        doc_url: `docs/ERRORS.md#${error.code}`,
        request_id: requestId,
      },
    },
  };
}

function asFibricError(thrown: unknown): FibricError {
  if (thrown instanceof FibricError) return thrown;
  if (thrown instanceof z.ZodError) return new FibricError('invalid_parameter', issueText(thrown));
  const status = (thrown as { statusCode?: unknown } | null)?.statusCode;
  // The framework's own refusals: a body that is not JSON, is too long or of another type.
  if (typeof status === 'number' && status >= 400 && status < 500) {
    return new FibricError('invalid_parameter', messageOf(thrown));
  }
  return new FibricError('internal', 'the gateway could not answer this; its log says why under the request_id');
}

function issueText(error: z.ZodError): string {
  const issue = error.issues[0];
  const path = issue?.path.join('.') ?? '';
  return path === '' ? (issue?.message ?? 'not acceptable') : `${path}: ${issue?.message}`;
}
