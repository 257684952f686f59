/** The operators of a site: where they live, and what their policies allow. */
import { statSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { CAPABILITIES } from '@fibric/sdk';
import { type Finding, loadPolicy, type Policy } from '@fibric/policy';
import type { Outline } from './outline.ts';
import type { LoadedProfile } from './profile.ts';
import { readBytes, type Source } from './source.ts';

export interface LoadedOperator {
  readonly folder: string;
  readonly policy: Policy | null;
}

export interface OperatorPlaces {
  readonly source: Source;
  /** Folder of the site file; paths in it are relative to this. */
  readonly base: string;
  readonly operatorsDir: string;
}

export function loadOperators(
  places: OperatorPlaces,
  outline: Outline,
  profiles: ReadonlyMap<string, LoadedProfile>,
): { readonly operators: ReadonlyMap<string, LoadedOperator>; readonly findings: readonly Finding[] } {
  const names = capabilityNames(profiles);
  const findings: Finding[] = [];
  const operators = new Map<string, LoadedOperator>();
  for (const [name, { path, policy }] of outline.operators) {
    const folder = path === null ? resolve(places.operatorsDir, name) : resolve(places.base, path);
    if (statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      const at =
        path === null
          ? places.source.atKey(['operators', name], '')
          : places.source.at(['operators', name, 'path'], '');
      findings.push({ ...at, message: `the operator '${name}' has no folder ${folder}` });
    }
    const loaded = loadFiles(places, name, policy, names);
    findings.push(...loaded.findings);
    operators.set(name, { folder, policy: loaded.policy });
  }
  return { operators, findings };
}

/** What a policy may name: a tool is called by its capability. */
function capabilityNames(profiles: ReadonlyMap<string, LoadedProfile>): ReadonlySet<string> {
  const own = [...profiles.values()].flatMap((one) =>
    one.kind === 'ok' ? one.profile.tools.map((tool) => tool.capability.name) : [],
  );
  return new Set([...CAPABILITIES.keys(), ...own]);
}

function loadFiles(
  { source, base }: OperatorPlaces,
  operator: string,
  files: readonly string[],
  names: ReadonlySet<string>,
): { readonly policy: Policy | null; readonly findings: readonly Finding[] } {
  const read = files.map((file) => ({ file: join(base, file), bytes: readBytes(resolve(base, file)) }));
  const findings = read.flatMap(({ file, bytes }) =>
    typeof bytes === 'string' ? [source.at(['operators', operator, 'policy'], `the policy ${file}: ${bytes}`)] : [],
  );
  const sources = read.flatMap(({ file, bytes }) =>
    typeof bytes === 'string' ? [] : [{ file, text: bytes.toString('utf8') }],
  );
  if (sources.length === 0) return { policy: null, findings };
  const loaded = loadPolicy(sources, { capabilities: names, tools: names });
  if ('findings' in loaded) return { policy: null, findings: [...findings, ...loaded.findings] };
  return { policy: findings.length === 0 ? loaded.policy : null, findings };
}
