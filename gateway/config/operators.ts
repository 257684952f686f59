/** The operators of a site: where they live, and which policies they have. */
import { statSync } from 'node:fs';
import { join, resolve, sep } from 'node:path';
import { CAPABILITIES } from '@fibric/sdk';
import type { Finding } from '@fibric/policy';
import type { Outline } from './outline.ts';
import type { LoadedProfile } from './profile.ts';
import { readPolicy } from './policy-files.ts';
import { PERSON, type PolicyFile } from './site.ts';
import type { Source } from './source.ts';

export interface LoadedOperator {
  readonly folder: string | null;
  readonly policy_files: readonly PolicyFile[];
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
): {
  readonly operators: ReadonlyMap<string, LoadedOperator>;
  readonly findings: readonly Finding[];
  /** What is wrong with their policies: it keeps those from being used, and not the site from starting. */
  readonly policyFindings: readonly Finding[];
  readonly names: ReadonlySet<string>;
} {
  const names = capabilityNames(profiles);
  const ground = { policy_names: names, policy_keys: outline.policyKeys };
  const findings: Finding[] = [];
  const policyFindings: Finding[] = [];
  const operators = new Map<string, LoadedOperator>();
  for (const [name, { path, policy }] of outline.operators) {
    const own = path === null ? resolve(places.operatorsDir, name) : resolve(places.base, path);
    const folder = name === PERSON ? null : own;
    if (folder !== null && statSync(folder, { throwIfNoEntry: false })?.isDirectory() !== true) {
      const at =
        path === null
          ? places.source.atKey(['operators', name], '')
          : places.source.at(['operators', name, 'path'], '');
      findings.push({ ...at, message: `the operator '${name}' has no folder ${folder}` });
    }
    const policy_files = policy.map((one) => policyFile(places, one));
    const read = readPolicy(policy_files, ground, (file, why) =>
      places.source.at(['operators', name, 'policy'], `the policy ${file}: ${why}`),
    );
    if (read.kind === 'bad') policyFindings.push(...read.findings);
    operators.set(name, { folder, policy_files });
  }
  return { operators, findings, policyFindings, names };
}

/** What a policy may name: a tool is called by its capability. */
function capabilityNames(profiles: ReadonlyMap<string, LoadedProfile>): ReadonlySet<string> {
  const own = [...profiles.values()].flatMap((one) =>
    one.kind === 'ok' ? one.profile.tools.map((tool) => tool.capability.name) : [],
  );
  return new Set([...CAPABILITIES.keys(), ...own]);
}

function policyFile({ base, operatorsDir }: OperatorPlaces, name: string): PolicyFile {
  const path = resolve(base, name);
  return { name, file: join(base, name), path, shipped: path.startsWith(`${resolve(operatorsDir)}${sep}`) };
}
