/** Device profiles: read, checked against their driver and in themselves, ready to be put on a device. */
import { readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import {
  CAPABILITIES,
  type Capability,
  type DriverModule,
  type EffectClass,
  LIMITS,
  type PointState,
  type Unit,
} from '@fibric/sdk';
import { didYouMean, type Finding } from '@fibric/policy';
import { argumentsOf, ownCapability } from './capability.ts';
import { OUR_POINT_KEYS, type PointEntry, type ProfileFile, profileSchema, type ToolEntry } from './profile-schema.ts';
import type { Plausibility, Verification, WriteSource } from './site.ts';
import { readBytes, readSource, type Source } from './source.ts';

export interface ProfilePoint {
  readonly name: string;
  /** Parsed by the driver's `point` schema. */
  readonly address: unknown;
  readonly unit: Unit | null;
  readonly event_type: string | null;
  readonly access: 'read' | 'write' | 'read_write';
  readonly poll_ms: number | null;
  readonly deadband: number | null;
  readonly plausibility: Plausibility;
  /** Null: not said. Infinity: never. */
  readonly stale_ms: number | null;
}

export interface ProfileTool {
  readonly capability: Capability;
  readonly effect: EffectClass;
  readonly writes: readonly { readonly point: string; readonly from: WriteSource }[];
  readonly verify: Verification | null;
  readonly proof: { readonly point: string } | null;
  readonly timeout_ms: number;
}

export interface Profile {
  readonly name: string;
  readonly driver: DriverModule;
  readonly points: readonly ProfilePoint[];
  /** What every device of this profile says of itself. */
  readonly identity: readonly PointState[];
  readonly reads: Readonly<Record<string, readonly string[]>>;
  readonly tools: readonly ProfileTool[];
}

/** What became of a profile: there is none of that name, it has findings, or here it is. */
export type LoadedProfile =
  | { readonly kind: 'ok'; readonly profile: Profile }
  | { readonly kind: 'invalid'; readonly findings: readonly Finding[] }
  /** `hint` ends the sentence that says so. */
  | { readonly kind: 'missing'; readonly hint: string };

/** The profile `name` from the first of `folders` that has it. */
export function loadProfile(name: string, folders: readonly string[], drivers: readonly DriverModule[]): LoadedProfile {
  const file = folders
    .map((folder) => join(folder, `${name}.yaml`))
    .find((path) => typeof readBytes(path) !== 'string');
  if (file === undefined) return { kind: 'missing', hint: didYouMean(name, folders.flatMap(profilesIn)) };
  const source = readSource(file);
  if ('findings' in source) return { kind: 'invalid', findings: source.findings };
  const driver = driverNamed(drivers, source.root);
  const checked = source.check(profileSchema(drivers, driver));
  if ('findings' in checked) return { kind: 'invalid', findings: checked.findings };
  if (driver === null) throw new Error(`${file} passed without a driver`);
  const findings = checkProfile(name, checked.value, source);
  if (findings.length > 0) return { kind: 'invalid', findings };
  return { kind: 'ok', profile: profileOf(name, checked.value, driver) };
}

function profilesIn(folder: string): readonly string[] {
  try {
    return readdirSync(folder)
      .filter((file) => file.endsWith('.yaml'))
      .map((file) => basename(file, '.yaml'));
  } catch {
    return [];
  }
}

function driverNamed(drivers: readonly DriverModule[], root: unknown): DriverModule | null {
  const name = typeof root === 'object' && root !== null && 'driver' in root ? root.driver : null;
  return drivers.find((driver) => driver.protocol === name) ?? null;
}

/** What the schema cannot see: names that lead nowhere. */
function checkProfile(name: string, file: ProfileFile, source: Source): readonly Finding[] {
  const found: Finding[] = [];
  if (file.profile !== undefined && file.profile !== name) {
    found.push(source.at(['profile'], `this file is the profile '${name}'; leave the key out or make it that`));
  }
  for (const point of Object.keys(file.identity))
    found.push(...checkPoint(file, source, ['identity', point], point, 'read'));
  for (const [capability, points] of Object.entries(file.reads)) {
    found.push(...checkReads(file, source, capability, points));
  }
  for (const [capability, tool] of Object.entries(file.tools)) {
    found.push(...checkCapability(source, capability, tool), ...checkToolPoints(file, source, capability, tool));
  }
  return found;
}

function checkReads(
  file: ProfileFile,
  source: Source,
  capability: string,
  points: readonly string[],
): readonly Finding[] {
  const known = [...CAPABILITIES.values()].filter((one) => !one.side_effecting).map((one) => one.name);
  const unknown = known.includes(capability)
    ? []
    : [source.atKey(['reads', capability], `unknown read capability '${capability}'${didYouMean(capability, known)}`)];
  return [
    ...unknown,
    ...points.flatMap((point, i) => checkPoint(file, source, ['reads', capability, i], point, 'read')),
  ];
}

function checkCapability(source: Source, name: string, tool: ToolEntry): readonly Finding[] {
  const path = ['tools', name];
  const known = CAPABILITIES.get(name);
  if (known !== undefined) {
    if (!known.side_effecting) return [source.atKey(path, `'${name}' only reads: list its points under reads`)];
    const own = (['input', 'entity', 'value'] as const).filter((key) => tool[key] !== undefined);
    return own.map((key) => source.atKey([...path, key], `'${name}' is known: it brings its own ${key}`));
  }
  if (tool.input === undefined || tool.entity === undefined) {
    const hint = didYouMean(name, CAPABILITIES.keys());
    return [source.atKey(path, `unknown capability '${name}'${hint}; one of the device's own needs input and entity`)];
  }
  const needed = [
    ['entity', tool.entity.split(/[{}]/)[1] ?? ''] as const,
    ...(tool.value === undefined ? [] : [['value', tool.value] as const]),
  ];
  return needed
    .filter(([, argument]) => tool.input?.[argument] === undefined)
    .map(([key, argument]) => source.at([...path, key], `there is no argument '${argument}' in input`));
}

const NO_PULSE_IS_READ_BACK =
  'what an output reads proves no pulse: say effect: absolute_set if writing it twice does no more than once, or give a counter as proof';

function checkToolPoints(file: ProfileFile, source: Source, name: string, tool: ToolEntry): readonly Finding[] {
  const path = ['tools', name];
  const given = CAPABILITIES.get(name);
  const args = given === undefined ? Object.keys(tool.input ?? {}) : argumentsOf(given);
  const found: Finding[] = [];
  for (const [point, from] of Object.entries(tool.writes)) {
    found.push(...checkPoint(file, source, [...path, 'writes', point], point, 'write'));
    const argument = typeof from === 'string' ? from : 'arg' in from ? from.arg : null;
    if (argument !== null && !args.includes(argument)) {
      const message = `'${name}' has no argument '${argument}'${didYouMean(argument, args)}`;
      found.push(source.at([...path, 'writes', point], message));
    }
  }
  for (const written of Object.keys(tool.verify?.read ?? {})) {
    if (tool.writes[written] !== undefined) continue;
    found.push(source.at([...path, 'verify', 'read', written], `'${written}' is not written by this tool`));
  }
  for (const { point } of tool.verify === undefined ? [] : readBack(tool)) {
    found.push(...checkPoint(file, source, [...path, 'verify'], point, 'read'));
  }
  if (tool.verify !== undefined && tool.proof === undefined && tool.effect === 'relative_or_pulse')
    found.push(source.atKey([...path, 'verify'], NO_PULSE_IS_READ_BACK));
  if (tool.proof !== undefined) found.push(...checkPoint(file, source, [...path, 'proof'], tool.proof, 'read'));
  return found;
}

function checkPoint(
  file: ProfileFile,
  source: Source,
  path: readonly (string | number)[],
  name: string,
  use: 'read' | 'write',
): readonly Finding[] {
  const point = file.points[name];
  if (point === undefined)
    return [source.at(path, `there is no point '${name}'${didYouMean(name, Object.keys(file.points))}`)];
  const usable = point.access === 'read_write' || point.access === use;
  const need =
    use === 'read' ? 'cannot be read: give it access: read_write' : 'cannot be written: give it access: read_write';
  return usable ? [] : [source.at(path, `the point '${name}' ${need}`)];
}

function readBack(tool: ToolEntry): Verification['read'] {
  return Object.keys(tool.writes).map((written) => ({ written, point: tool.verify?.read[written] ?? written }));
}

function profileOf(name: string, file: ProfileFile, driver: DriverModule): Profile {
  return {
    name,
    driver,
    points: Object.entries(file.points).map(([point, entry]) => pointOf(point, entry, file)),
    identity: statesOf(file.identity),
    reads: file.reads,
    tools: Object.entries(file.tools).map(([capability, entry]) => toolOf(capability, entry)),
  };
}

export const statesOf = (said: Readonly<Record<string, PointState['value']>>): readonly PointState[] =>
  Object.entries(said).map(([point, value]) => ({ point, value }));

function pointOf(name: string, entry: PointEntry, file: ProfileFile): ProfilePoint {
  const stale = entry.stale_after ?? file.stale_after;
  const { spike, stuck } = entry.plausibility;
  return {
    name,
    address: Object.fromEntries(Object.entries(entry).filter(([key]) => !OUR_POINT_KEYS.has(key))),
    unit: entry.unit ?? null,
    event_type: entry.event ?? null,
    access: entry.access,
    poll_ms: entry.access === 'write' ? null : (entry.poll ?? file.poll ?? null),
    deadband: entry.deadband ?? null,
    plausibility: {
      range: entry.range === undefined ? null : { min: entry.range[0], max: entry.range[1] },
      spike: spike ?? null,
      stuck_ms: stuck ?? null,
    },
    stale_ms: stale === 'never' ? Number.POSITIVE_INFINITY : (stale ?? null),
  };
}

function toolOf(name: string, entry: ToolEntry): ProfileTool {
  const { input, entity, value, verify, timeout } = entry;
  const own =
    input !== undefined && entity !== undefined ? ownCapability(name, { input, entity, value: value ?? null }) : null;
  const capability = CAPABILITIES.get(name) ?? own;
  if (capability === null) throw new Error(`the tool ${name} passed without a capability`);
  return {
    capability,
    effect: entry.effect,
    writes: Object.entries(entry.writes).map(([point, from]) => ({ point, from: writeSourceOf(from) })),
    verify:
      verify === undefined
        ? null
        : {
            read: readBack(entry),
            tolerance: verify.tolerance,
            settle_ms: verify.settle,
            late_write_window_ms: verify.late_write_window ?? Math.max(LIMITS.lateWriteMs, 2 * timeout),
            tries: verify.tries,
          },
    proof: entry.proof === undefined ? null : { point: entry.proof },
    timeout_ms: timeout,
  };
}

function writeSourceOf(from: ToolEntry['writes'][string]): WriteSource {
  if (typeof from === 'string') return { kind: 'argument', argument: from, map: null };
  if ('const' in from) return { kind: 'constant', value: from.const };
  return { kind: 'argument', argument: from.arg, map: from.map ?? null };
}
