/** The person without whom a rig would soon have nothing to try: breakers that opened stay open until somebody closes them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** What a person does through the local API; what the end of the gateway was faster than is for the next time. */
export function person(api: string, dataDir: string) {
  const token = readFileSync(join(dataDir, 'token'), 'utf8').trim();
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
  const listed = async <T>(path: string): Promise<readonly T[]> => {
    const answer = await fetch(`${api}/v1/${path}`, { headers }).catch(() => null);
    return ((await answer?.json().catch(() => null)) as { data: readonly T[] } | null)?.data ?? [];
  };
  const say = async (path: string): Promise<void> => {
    const body = JSON.stringify({ who: 'crash rig' });
    const answer = await fetch(`${api}/v1/${path}`, { method: 'POST', headers, body }).catch(() => null);
    if (answer && !answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  };
  return {
    /** Closes what has opened, and says no to what waits meanwhile. Returns how many breakers that were. */
    async tidy(): Promise<number> {
      const breakers = await listed<{ breaker_id: string }>('breakers');
      for (const { breaker_id } of breakers) await say(`breakers/${breaker_id}/close`);
      for (const { plan_id } of await listed<{ plan_id: string }>('plans?waiting=true&limit=100'))
        await say(`plans/${plan_id}/veto`);
      return breakers.length;
    },
  };
}
