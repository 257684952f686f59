/** Appends to the event log of a folder until it is killed, and says after each flush how far it has come: the victim of log.test.ts. */
import { makeEnvelope } from '@fibric/sdk';
import { createIds } from '../ids.ts';
import { createLog } from '../log.ts';
import { systemClock, systemRandom } from '../system.ts';
import { openEventLog } from './log.ts';

const [dir = ''] = process.argv.slice(2);
const clock = systemClock();
const ids = createIds(clock, systemRandom());
const events = openEventLog({ dir, clock, siteClock: clock, log: createLog(clock) });

for (;;) {
  let cursor = 0;
  // Blocks of every size, so that the kill meets full ones, loose ones and their joining.
  const burst = 1 + Math.floor(systemRandom().next() * 400);
  for (let i = 0; i < burst; i++) {
    const payload = { value: i, text: 'x'.repeat(i % 50) };
    const fields = { event_id: ids.uuid(), source: 'fixture', event_type: 'test.burst', payload };
    cursor = events.append(makeEnvelope({ tenant_id: 't', reseller_id: null, workspace_id: null }, fields));
  }
  await events.flush();
  process.stdout.write(`${cursor}\n`);
}
