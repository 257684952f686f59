/** There is one path to a device: every write that a device sees has its intent in the journal, and one that has none is found. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, it } from 'vitest';
import { ends } from '../support/ends.ts';
import { RealGateway, writeFiles } from '../support/real-gateway.ts';
import { rowsOf } from '../support/rows.ts';
import { waitFor } from '../support/wait.ts';
import { Desk, DESK_FILES, type Line, openLine, siteOfOne, tenths } from './desk.ts';

const end = ends();
const ZONE = 1;
const PLANTED = 30.5;

/** What a dependency might do on the day it turns bad: it knows the device and speaks its protocol, in the gateway's own process. */
const planted = (port: number): string => `
import { connect } from 'node:net';
if (process.argv.includes('up')) {
  const socket = connect(${port}, '127.0.0.1', () =>
    socket.end(Buffer.from([0, 1, 0, 0, 0, 6, ${ZONE}, 6, 0, 0, ${tenths(PLANTED) >> 8}, ${tenths(PLANTED) & 0xff}])));
  socket.on('error', () => {}).unref();
}
`;

/** Writes that the unit saw beyond those that the journal intended: an intent may come to nothing, a write must not come from nothing. */
const strangers = ({ unit }: Line, gateway: RealGateway): number =>
  Math.max(0, unit.writes('holding', 0) - rowsOf(gateway.data).filter((row) => row.type === 'intent/1').length);

it.each([
  ['each write that a device sees was intended', false],
  ['one that a dependency makes by itself is found (row 120)', true],
])(
  'X1 %s',
  async (_, bad) => {
    const desk = await Desk.open(end, ZONE);
    const line = await openLine(end, ZONE);
    const dir = end.folder();
    writeFiles(dir, {
      ...DESK_FILES,
      'puppet/policy.yaml': 'version: 1\nallow: [hvac.setpoint]\n',
      'planted.mjs': planted(line.port),
      'site.yaml': siteOfOne(desk, line),
    });
    const env = bad ? { NODE_OPTIONS: `--import=${pathToFileURL(join(dir, 'planted.mjs')).href}` } : {};
    const gateway = end.add(new RealGateway(dir, env), (one) => one.stop());
    await gateway.start();
    await waitFor('unit-1 to be read', async () => (await gateway.point('unit-1/setpoint')).quality === 'good');
    if (bad) await waitFor('what was planted to act', () => line.unit.writes('holding', 0) > 0);
    for (const celsius of [21, 22, 23])
      expect(await desk.order(gateway, ZONE, celsius)).toMatchObject({ outcome: 'applied' });
    expect(strangers(line, gateway)).toBe(bad ? 1 : 0);
  },
  60_000,
);
