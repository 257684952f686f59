/** Exception codes of MODBUS Application Protocol V1.1b3 §7, and what each says about a write. */

interface Exception {
  readonly reason_code: string;
  readonly words: string;
  /** Whether the device itself declined; otherwise it may still do it, or have done it. */
  readonly definite: boolean;
}

const EXCEPTIONS: Readonly<Record<number, Exception>> = {
  1: { reason_code: 'illegal_function', words: 'illegal function', definite: true },
  2: { reason_code: 'illegal_address', words: 'illegal data address', definite: true },
  3: { reason_code: 'illegal_value', words: 'illegal data value', definite: true },
  4: { reason_code: 'device_failure', words: 'device failure', definite: true },
  // "Acknowledge": it has taken the request and will be long about it.
  5: { reason_code: 'acknowledged_late', words: 'acknowledge, still working', definite: false },
  6: { reason_code: 'device_busy', words: 'device busy', definite: false },
  7: { reason_code: 'negative_acknowledge', words: 'negative acknowledge', definite: true },
  8: { reason_code: 'memory_parity', words: 'memory parity error', definite: true },
  10: { reason_code: 'gateway_no_path', words: 'gateway path unavailable', definite: true },
  // The gateway sent it down the line and heard nothing: the unit may have done it.
  11: { reason_code: 'gateway_no_answer', words: 'gateway target failed to respond', definite: false },
};

export function exceptionOf(code: number): Exception {
  return EXCEPTIONS[code] ?? { reason_code: 'device_exception', words: 'unknown exception', definite: true };
}

/** Exceptions by which a gateway says that there is nobody at a unit id. */
export function meansNobody(code: number): boolean {
  return code === 10 || code === 11;
}

/** `unit 3 answered exception 2 (illegal data address)` */
export function exceptionText(unit: number, code: number): string {
  return `unit ${unit} answered exception ${code} (${exceptionOf(code).words})`;
}
