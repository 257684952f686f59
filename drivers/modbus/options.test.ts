/** What the site file and its profiles may say, and in which words they are corrected. */
import { execFileSync } from 'node:child_process';
import { describe, expect, it } from 'vitest';
import { modbus } from './index.ts';

const BASE = { table: 'holding', address: 10, base: 0, type: 'int16' };

function complaint(change: Record<string, unknown>): string[] {
  const result = modbus.point.safeParse({ ...BASE, ...change });
  return (result.error?.issues ?? []).map((issue) => `${issue.path.join('.')}: ${issue.message}`);
}

describe('options of a Modbus point', () => {
  it('have defaults for all that may be left out', () => {
    expect(modbus.point.parse(BASE)).toEqual({ ...BASE, word_order: 'ABCD', scale: 1, offset: 0, invalid: [] });
    expect(modbus.connection.parse({ url: 'tcp://plc.local' })).toEqual({
      url: 'tcp://plc.local',
      timeout: 1_000,
      pause: 0,
    });
  });

  it('need the base said', () => {
    const { base: _, ...without } = BASE;
    expect(modbus.point.safeParse(without).error?.issues[0]?.path).toEqual(['base']);
  });

  it('are refused where they contradict themselves', () => {
    expect(complaint({ address: 0, base: 1 })).toEqual(['address: with base 1 the first address is 1']);
    expect(complaint({ address: 65_535, type: 'int32' })).toEqual(['address: beyond the last address of the table']);
    expect(complaint({ table: 'coil' })).toEqual(['type: a coil holds a bool']);
    expect(complaint({ type: 'bit' })).toEqual(['bit: type bit needs bit: 0 to 15, other types none']);
    expect(complaint({ type: 'string' })).toEqual(['length: type string needs length, in registers']);
    expect(complaint({ type: 'bool', scale: 2 })).toEqual(['scale: a bool has no scale or offset']);
    expect(complaint({ scale: 0 })).toEqual(['scale: a scale of 0 loses the value']);
    expect(complaint({ scale: 0.1, enum: { 0: 'off' } })).toEqual([
      'enum: words are for bool, bit and whole numbers without scale',
    ]);
    expect(complaint({ enum: { 0: 'off', 1: 'off' } })).toEqual(['enum: a word stands twice']);
    expect(complaint({ type: 'string', length: 4, word_order: 'CDAB' })).toEqual([
      'word_order: a string is ABCD or BADC',
    ]);
    expect(complaint({ type: 'int32', write_function: 'single' })).toEqual([
      'write_function: more than one register needs FC 16',
    ]);
    expect(complaint({ adress: 3 })).toEqual([': Unrecognized key: "adress"']);
  });

  it('keep their checks when the gateway adds keys of its own', async () => {
    const { z } = await import('zod');
    const extended = modbus.point.extend({ unit: z.string() });
    expect(extended.safeParse({ ...BASE, type: 'bit', unit: 'degC' }).error?.issues[0]?.path).toEqual(['bit']);
    expect(extended.safeParse({ ...BASE, unit: 'degC' }).success).toBe(true);
  });
});

describe('the module', () => {
  it('knows the endpoint, with the port of the standard when none is said', () => {
    const endpoint = (url: string): unknown => modbus.endpoint(modbus.connection.parse({ url }));
    expect(endpoint('tcp://PLC.local')).toEqual({ host: 'plc.local', port: 502 });
    expect(endpoint('tcp://127.0.0.1:5020')).toEqual({ host: '127.0.0.1', port: 5020 });
    expect(endpoint('tcp://[::1]:5020')).toEqual({ host: '::1', port: 5020 });
    expect(modbus.connection.safeParse({ url: 'http://plc' }).error?.issues[0]?.message).toBe(
      'expected tcp://host:port',
    );
  });

  it('gives one register one name, however it is written down', () => {
    const name = (url: string, change: Record<string, unknown>): string =>
      modbus.physicalPoint(
        modbus.connection.parse({ url }),
        modbus.device.parse({ unit: 7 }),
        modbus.point.parse({ ...BASE, ...change }),
      );
    const first = name('tcp://127.0.0.1:502', {});
    expect(first).toBe('modbus:127.0.0.1:502/7/holding/10');
    expect(name('tcp://localhost', { address: 11, base: 1, scale: 0.1 })).toBe(first);
    expect(name('tcp://localhost', { type: 'bit', bit: 4 })).toBe(first);
    expect(name('tcp://127.0.0.1:502', { address: 11 })).not.toBe(first);
  });

  it('loads no protocol library before it is asked to', () => {
    const script = `
      const { createRequire } = await import('node:module');
      const { modbus } = await import('./index.ts');
      const loaded = () => Object.keys(createRequire(import.meta.url).cache).some((file) => file.includes('modbus-serial'));
      const before = loaded();
      await modbus.load();
      console.log(before, loaded());`;
    const out = execFileSync(process.execPath, ['--input-type=module-typescript', '-e', script], {
      cwd: import.meta.dirname,
    });
    expect(out.toString().trim()).toBe('false true');
  });
});
