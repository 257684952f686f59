/**
 * What an operator host sends, read as if it were hostile (it may be: an operator's code runs there).
 *
 * H6 A line that is not exactly a frame is never acted on.
 */
import { CAPABILITY_PATTERN, triggerSchema } from '@fibric/sdk';
import { z } from 'zod';
import { inspectPlan } from './inspect.ts';
import type { FromHost } from './wire.ts';

const text = z.string().max(2_000);
const name = z.string().min(1).max(100);

const description = z.strictObject({
  name,
  goal: text,
  requires: z.array(z.string().regex(CAPABILITY_PATTERN).max(100)).max(100),
  triggers: z.array(triggerSchema).max(100),
  model: name.nullable(),
  has_rules: z.boolean(),
});

const frameSchema = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('ready'), description }),
  z.strictObject({ t: z.literal('broken'), message: text }),
  z.strictObject({
    t: z.literal('sense'),
    run: name,
    call: z.int(),
    capability: name,
    args: z.record(z.string(), z.unknown()),
  }),
  z.strictObject({ t: z.literal('plan'), run: name, plan: z.unknown(), reasoned: z.boolean() }),
  z.strictObject({ t: z.literal('failed'), run: name, code: z.string().regex(/^[a-z_]{1,50}$/), message: text }),
]);

export type ReadFrame =
  | { readonly kind: 'frame'; readonly frame: FromHost }
  | { readonly kind: 'refused'; readonly reason_code: string; readonly reason: string };

/** Parses one line of a host. Prototypes are never touched: the parsed text is walked before anything is looked up in it. */
export function readFrame(line: string): ReadFrame {
  const refused = (reason_code: string, reason: string): ReadFrame => ({ kind: 'refused', reason_code, reason });
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return refused('host_rubbish', 'its host sent something that is not JSON');
  }
  const checked = frameSchema.safeParse(parsed);
  if (!checked.success) return refused('host_rubbish', 'its host sent something that is not a frame');
  const frame = checked.data;
  const finding = frame.t === 'plan' ? inspectPlan(frame.plan) : frame.t === 'sense' ? inspectPlan(frame.args) : null;
  return finding ? refused(finding.code, finding.message) : { kind: 'frame', frame };
}
