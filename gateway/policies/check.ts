/** Checking policies before they are used: those of a site, or one file. */
import { CAPABILITIES } from '@fibric/sdk';
import type { Finding } from '@fibric/policy';
import type { LoadedSite } from '../config/load.ts';
import { type PolicyGround, readPolicy } from '../config/policy-files.ts';
import { readSource } from '../config/source.ts';

export interface PolicyCheck {
  /** One a policy that can be used; `operator` is null for a file that was checked by itself. */
  readonly policies: readonly { readonly operator: string | null; readonly hash: string; readonly rules: number }[];
  /** With one of these it is not used. */
  readonly findings: readonly Finding[];
  /** What a careful person looks at twice. */
  readonly warnings: readonly Finding[];
}

/**
 * `file` is a site file or a policy. What a policy may speak about is told by the site in `siteFile`; without one, what the product
 * knows by itself.
 */
export function checkPolicies(
  file: string,
  siteFile: string | null,
  load: (siteFile: string) => LoadedSite,
): PolicyCheck {
  if (isSite(file)) return checkSite(load(file));
  const ground = groundOf(siteFile, load);
  if ('findings' in ground) return { policies: [], findings: ground.findings, warnings: [] };
  return checkFiles(null, [{ name: file, file, path: file, shipped: false }], ground);
}

/** What policies may speak about in the site of this file; without one, what the product knows by itself. */
export function groundOf(
  siteFile: string | null,
  load: (siteFile: string) => LoadedSite,
): PolicyGround | { readonly findings: readonly Finding[] } {
  if (siteFile === null) return { policy_names: new Set(CAPABILITIES.keys()), policy_keys: [] };
  const loaded = load(siteFile);
  return loaded.kind === 'invalid' ? { findings: loaded.findings } : loaded.site;
}

/** Only a site file has these; whatever else is wrong with it. */
function isSite(file: string): boolean {
  const source = readSource(file);
  const root = 'findings' in source ? null : source.root;
  return typeof root === 'object' && root !== null && ('site' in root || 'operators' in root);
}

function checkSite(loaded: LoadedSite): PolicyCheck {
  if (loaded.kind === 'invalid') return { policies: [], findings: loaded.findings, warnings: [] };
  const { site } = loaded;
  const checks = site.operators.map(({ name, policy_files }) => checkFiles(name, policy_files, site));
  return {
    policies: checks.flatMap(({ policies }) => policies),
    findings: loaded.policyFindings,
    warnings: checks.flatMap(({ warnings }) => warnings),
  };
}

function checkFiles(operator: string | null, ...[files, ground]: Parameters<typeof readPolicy>): PolicyCheck {
  const read = readPolicy(files, ground);
  if (read.kind === 'none') return { policies: [], findings: [], warnings: [] };
  if (read.kind === 'bad') return { policies: [], findings: read.findings, warnings: [] };
  const { policy, warnings } = read;
  return { policies: [{ operator, hash: policy.hash, rules: policy.rules.length }], findings: [], warnings };
}
