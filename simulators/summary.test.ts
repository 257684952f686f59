import { describe, expect, it } from 'vitest';
import { summaryLines, temperatureQuality } from './summary.ts';

describe('the summary of a recording', () => {
  it('says for each room where its thermostat stands, and counts the rest', () => {
    const lines = summaryLines({
      rooms: [{ room: '513', setpointC: 17, writes: 2, quality: 'bad/spike' }],
      rows: 10,
      badLines: 2,
      actions: 3,
      open: 0,
      receipts: { blocked: 1, applied: 2 },
      notGood: { 'bad/spike': 1 },
      staleRooms: ['511'],
      tookMs: 12_340,
    });
    expect(lines).toEqual([
      'Summary',
      '  room        setpoint   writes   last temperature',
      '  513          17.0 °C        2   bad/spike',
      '  recording   10 rows played, 2 lines that could not be read',
      '  actions     3',
      '  receipts    3: 2 applied, 1 blocked',
      '  readings    not good: 1 bad/spike',
      '  stale       511',
      '  took        12.3 s',
    ]);
  });

  it('knows the quality of the last temperature of each zone', () => {
    const point = { device: 's', value: null, entity_key: 'zone:511' };
    const quality = temperatureQuality([
      { ...point, point: 'temperature', quality: 'bad', quality_reason: 'stale' },
      { ...point, point: 'motion', quality: 'good', quality_reason: null },
    ]);
    expect([...quality]).toEqual([['511', 'bad/stale']]);
  });
});
