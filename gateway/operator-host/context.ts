/**
 * The context of one run, in the host. There is nothing on it that acts (O1): it reads, reasons and proposes.
 */
import {
  CapabilityError,
  type Envelope,
  executionPlanSchema,
  type Operator,
  type OperatorContext,
  type PlannedAction,
  type ReasonRequest,
} from '@fibric/sdk';
import { z } from 'zod';
import type { Reasoning } from '../reasoner.ts';
import type { Now } from './wire.ts';

/** Ends a run with a reason code of its own, whether or not the operator catches it. */
export class RunFault extends Error {
  override readonly name = 'RunFault';
  readonly code: 'reasoning_invalid' | 'reasoner_unavailable';

  constructor(code: RunFault['code'], message: string) {
    super(message);
    this.code = code;
  }
}

export interface RunParts {
  readonly operator: Operator;
  readonly settings: unknown;
  readonly bound: Readonly<Record<string, readonly string[]>>;
  readonly reasoning: Reasoning;
  readonly event: Envelope;
  readonly now: Now;
  readonly state: Readonly<Record<string, unknown>>;
  readonly sense: (capability: string, args: Readonly<Record<string, unknown>>) => Promise<unknown>;
  readonly log: (message: string) => void;
}

export interface Run {
  readonly context: OperatorContext<never>;
  readonly reasoned: () => boolean;
  readonly fault: () => RunFault | null;
}

/** Without a schema an answer must at least be a JSON object or array. */
const anyAnswer = z.union([z.record(z.string(), z.unknown()), z.array(z.unknown())]);

function isRequest(input: unknown): input is ReasonRequest {
  return typeof input === 'object' && input !== null && 'input' in input && 'instruction' in input;
}

/** One question to the operator's own rules. They are deterministic: asking again would give the same answer, so nothing is repaired. */
async function askRules(parts: RunParts, input: unknown): Promise<unknown> {
  const { operator, reasoning } = parts;
  if (reasoning.kind === 'unresolved') throw new RunFault('reasoner_unavailable', reasoning.problem);
  if (!operator.rules) {
    const problem = `operator '${operator.name}' ships no rules, and '${reasoning.alias}' is answered by rules here`;
    throw new RunFault('reasoner_unavailable', problem);
  }
  const request = isRequest(input) ? input : { input, instruction: operator.goal, schema: executionPlanSchema };
  const answer = await operator.rules(request);
  const checked = await (request.schema ?? anyAnswer).safeParseAsync(answer);
  if (checked.success) return checked.data;
  const issue = checked.error.issues[0];
  throw new RunFault(
    'reasoning_invalid',
    `answer.${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not as asked for'}`,
  );
}

function propose(actions: readonly PlannedAction[], reasoning?: string): object {
  return reasoning === undefined ? { actions } : { reasoning, actions };
}

/** Everything of a run that an operator may touch. */
export function createRun(parts: RunParts): Run {
  const { operator, bound } = parts;
  let reasoned = false;
  let fault: RunFault | null = null;

  async function reason(input: unknown): Promise<unknown> {
    try {
      const answer = await askRules(parts, input);
      reasoned = true;
      return answer;
    } catch (error) {
      if (error instanceof RunFault) fault ??= error;
      throw error;
    }
  }

  async function sense(capability: string, args: Readonly<Record<string, unknown>> = {}): Promise<unknown> {
    if (!operator.requires.includes(capability)) throw new CapabilityError(capability, operator.name, 'not_required');
    if (!bound[capability]?.length) throw new CapabilityError(capability, operator.name, 'not_bound');
    return parts.sense(capability, args);
  }

  const context = Object.freeze({
    event: parts.event,
    settings: parts.settings,
    now: parts.now,
    state: parts.state,
    sense,
    reason,
    propose,
    binding: (capability: string) => bound[capability]?.[0] ?? '',
    bound: (capability: string) => Boolean(bound[capability]?.length),
    key: (kind: 'ev' | 'win', id: string) => `${kind}=${id}`,
    log: parts.log,
  });
  return { context: context as unknown as OperatorContext<never>, reasoned: () => reasoned, fault: () => fault };
}
