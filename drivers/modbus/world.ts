/** Whom are we talking to? A simulator says so by FC 43/14; simulated and live sites must never be mixed (D7). */
import type { Provenance, World } from '@fibric/sdk';
import { exceptionText, meansNobody } from './exceptions.ts';
import { type Link, type Target, where } from './link.ts';

/** Object ids of basic identification, Application Protocol V1.1b3 §6.21. */
const VENDOR_NAME = 0;
const PRODUCT_CODE = 1;
const SIMULATOR = 'Fibric simulator';

/** A dead unit cannot speak for the rest, but not every unit need be waited for. */
const MOST_ASKED = 3;

export type Verdict =
  | { readonly kind: 'accepted'; readonly provenance: Provenance }
  | { readonly kind: 'refused'; readonly detail: string };

/** What the peer said: the world it simulates, or that it is no simulator, with how that is known. */
type Said = { readonly world: string } | { readonly world: null; readonly how: string };

/** Decides on a fresh link, before anything else is asked. */
export async function meet(
  link: Link,
  target: Target,
  world: World,
  units: readonly number[],
  timeoutMs: number,
): Promise<Verdict> {
  if (world.kind === 'live' && !isLoopback(target.host)) return { kind: 'accepted', provenance: 'live' };
  const said = await ask(link, units, timeoutMs);
  if (world.kind === 'live') return { kind: 'accepted', provenance: said.world === null ? 'live' : 'simulated' };
  if (said.world === world.id) return { kind: 'accepted', provenance: 'simulated' };
  const found = said.world === null ? `no simulator (${said.how})` : `the simulator of world '${said.world}'`;
  return {
    kind: 'refused',
    detail: `this site is the simulated world '${world.id}', but ${where(target)} is ${found}`,
  };
}

async function ask(link: Link, units: readonly number[], timeoutMs: number): Promise<Said> {
  let how = 'it has no units to ask';
  for (const unit of units.slice(0, MOST_ASKED)) {
    const { outcome } = await link.exchange(unit, { function: 43 }, timeoutMs);
    if (outcome.kind === 'identity') {
      const vendor = outcome.objects[VENDOR_NAME] ?? '';
      const world = outcome.objects[PRODUCT_CODE];
      return vendor === SIMULATOR && world !== undefined
        ? { world }
        : { world: null, how: `its vendor is '${vendor}'` };
    }
    how =
      outcome.kind === 'exception' ? exceptionText(unit, outcome.code) : 'message' in outcome ? outcome.message : how;
    // A gateway may have nobody at this unit id; a device that answers otherwise has said all it will say.
    const nobody = outcome.kind === 'timeout' || (outcome.kind === 'exception' && meansNobody(outcome.code));
    if (!nobody) break;
  }
  return { world: null, how };
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || /^127(\.\d{1,3}){3}$/.test(host);
}
