/**
 * X1 The one call into a driver's write, and nothing else: for an action only after its intent is durable. The heartbeat is no action:
 * it moves nothing, it says that somebody is there who would let go.
 */
import { type Driver, messageOf, type PointRef, type WriteCommand, type WriteResult } from '@fibric/sdk';
import type { Action } from '../journal/entries.ts';

/** Sends the action to its device. */
export function act(
  driver: Driver,
  action: Action,
  timeoutMs: number,
  mayStillSend: () => boolean,
): Promise<WriteResult> {
  const { device, target, idempotency_key } = action;
  return send(driver, { device, writes: target, timeoutMs, idempotencyKey: idempotency_key, mayStillSend });
}

/** Tells the device that the gateway is well. */
export function beat(
  driver: Driver,
  { device, point }: PointRef,
  value: number | boolean,
  timeoutMs: number,
  mayStillSend: () => boolean,
): Promise<WriteResult> {
  return send(driver, { device, writes: [{ point, value }], timeoutMs, idempotencyKey: 'heartbeat', mayStillSend });
}

/** A driver that throws has broken its contract; nobody knows what left, so it is a doubt. */
async function send(driver: Driver, command: WriteCommand): Promise<WriteResult> {
  try {
    return await driver.write(command);
  } catch (error) {
    return { kind: 'doubt', reason_code: 'driver_defect', message: messageOf(error), response: null };
  }
}
