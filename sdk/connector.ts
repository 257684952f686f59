/** Connectors to systems that speak HTTP: named slots for credentials, tools by capability. The body never sees a secret. */
import type { z } from 'zod';
import { CAPABILITY_PATTERN, type EffectClass } from './capabilities.ts';

/** How a connector authenticates. `secret` and its kin name slots, never values. */
export type Auth =
  | { readonly kind: 'none' }
  | { readonly kind: 'api_key'; readonly header: string; readonly secret: string }
  | { readonly kind: 'bearer'; readonly secret: string }
  | { readonly kind: 'basic'; readonly user: string; readonly pass: string };

export const none = (): Auth => ({ kind: 'none' });

export const auth = {
  none,
  apiKey: (options: { header: string; secret: string }): Auth => ({ kind: 'api_key', ...options }),
  bearer: (options: { secret: string }): Auth => ({ kind: 'bearer', ...options }),
  basic: (options: { user: string; pass: string }): Auth => ({ kind: 'basic', ...options }),
};

/** What a tool's body is given. `http` has the credentials attached and throws on a status of 400 and above. */
export interface ConnectorContext {
  readonly http: {
    /** GETs `path` below the connection's URL and returns the parsed JSON body. */
    get(path: string, query?: Readonly<Record<string, string>>): Promise<unknown>;
  };
}

export interface Tool {
  readonly capability: string;
  readonly input: z.ZodType;
  /** A tool that does not say is taken for one that acts. */
  readonly sideEffecting: boolean;
  readonly effect: EffectClass;
  readonly run: (call: { readonly input: unknown; readonly ctx: ConnectorContext }) => Promise<unknown>;
}

export interface ToolOptions {
  readonly capability: string;
  readonly input: z.ZodType;
  readonly sideEffecting?: boolean;
  readonly effect?: EffectClass;
  readonly run: Tool['run'];
}

export function tool(options: ToolOptions): Tool {
  if (!CAPABILITY_PATTERN.test(options.capability)) {
    throw new TypeError(`tool: capability must look like noun.verb, got '${options.capability}'`);
  }
  return {
    capability: options.capability,
    input: options.input,
    sideEffecting: options.sideEffecting ?? true,
    effect: options.effect ?? 'relative_or_pulse',
    run: options.run,
  };
}

export interface Connector {
  readonly name: string;
  readonly summary: string;
  readonly auth: Auth;
  readonly tools: readonly Tool[];
}

export function defineConnector(definition: Connector): Connector {
  return Object.freeze({ ...definition });
}
