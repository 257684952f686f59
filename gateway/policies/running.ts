/**
 * The policies that decide now, one an operator: named by their content, and in the journal before they decide (G-PS-6).
 *
 * P7 A policy with a finding is never used. The last one that was activated goes on, also across a restart; without one everything blocks.
 *    What came with the product does not change by itself.
 * P8 Which policy decides follows from the journal: it begins with a row, and that row holds all that is needed to decide by it again.
 */
import { canonicalPolicy, type Finding, formatFinding, type Policy, restorePolicy } from '@fibric/policy';
import { type Log, messageOf } from '@fibric/sdk';
import { type PolicyRead, readPolicy } from '../config/policy-files.ts';
import { keyId } from '../config/policy-signature.ts';
import type { OperatorSite, Site } from '../config/site.ts';
import { wholeFile } from '../config/source.ts';
import { canonicalText } from '../journal/canonical.ts';
import type { PolicyEntry } from '../journal/entries.ts';
import { raise } from '../alerts/raise.ts';
import type { Journal } from '../journal/journal.ts';
import type { ActivePolicy } from '../journal/policies.ts';

/** What decides on the proposals of one operator. */
export interface RunningPolicy {
  readonly operator: string;
  readonly uid: string;
  /** Null: there is none, and everything is blocked. */
  readonly policy: Policy | null;
  /** Its row; null when no policy was ever activated. */
  readonly active: ActivePolicy | null;
  /** Why the files as they are now are not what decides; empty when they are. */
  readonly refused: readonly Finding[];
  readonly warnings: readonly Finding[];
}

export interface Policies {
  /** Null: everything is blocked. */
  of(uid: string): Policy | null;
  all(): readonly RunningPolicy[];
  /** Reads the files again, in the name of `who`. What is without findings decides from now on; durable when this resolves. */
  reload(who: string): Promise<readonly RunningPolicy[]>;
}

export interface PoliciesOptions {
  readonly site: Pick<Site, 'operators' | 'policy_names' | 'policy_keys'>;
  readonly journal: Journal;
  readonly log: Log;
}

/** Nobody in particular: what the site file names is there when the gateway starts. */
const AT_START = 'site file';

class SitePolicies implements Policies {
  readonly #options: PoliciesOptions;
  readonly #running = new Map<string, RunningPolicy>();

  constructor(options: PoliciesOptions) {
    this.#options = options;
    for (const operator of options.site.operators) this.#running.set(operator.uid, this.#take(operator, AT_START));
  }

  of(uid: string): Policy | null {
    return this.#running.get(uid)?.policy ?? null;
  }

  all(): readonly RunningPolicy[] {
    return [...this.#running.values()];
  }

  async reload(who: string): Promise<readonly RunningPolicy[]> {
    const { site, journal, log } = this.#options;
    for (const operator of site.operators) this.#running.set(operator.uid, this.#take(operator, who));
    log.info(
      { who, policies: this.all().map(({ operator, active }) => [operator, active?.hash ?? null]) },
      'policies read again',
    );
    await journal.durable();
    return this.all();
  }

  /** Reads the files of an operator and decides which policy counts. */
  #take(operator: OperatorSite, who: string): RunningPolicy {
    const { site, journal, log } = this.#options;
    const { name, uid, policy_files } = operator;
    const read = this.#accepted(this.#notOlder(readPolicy(policy_files, site), uid), operator, who);
    if (read.kind !== 'bad') return this.#activate(operator, read, who);
    const active = this.#lastOf(uid);
    const policy = active && this.#restored(name, active);
    const instead = policy ? `policy ${policy.hash.slice(0, 12)} goes on` : 'everything it proposes is blocked';
    const findings = read.findings.map(formatFinding);
    log.warn({ operator: name, findings }, 'a policy has findings');
    raise({ journal, log }, 'policy_refused', `the policy of ${name} is refused; ${instead}`, { operator: name });
    return { operator: name, uid, policy, active: policy ? active : null, refused: read.findings, warnings: [] };
  }

  /** A version that is older than one that has counted is somebody's replay (fault row 27). */
  #notOlder(read: PolicyRead, uid: string): PolicyRead {
    if (read.kind !== 'ok') return read;
    const { versions = {} } = this.#lastOf(uid) ?? {};
    const findings = read.sources.flatMap(({ file, sha256, counter }) => {
      const known = versions[file];
      if (counter === null || !known || counter > known.counter) return [];
      if (counter === known.counter && sha256 === known.sha256) return [];
      const why = `it is signed as version ${counter}, and version ${known.counter} has counted: sign it as a later one`;
      return [wholeFile(file, `policy_rollback: ${why}`)];
    });
    return findings.length === 0 ? read : { kind: 'bad', findings };
  }

  /** What came with the product counts as it was when a person accepted it, until one accepts the change (G-PS-8). */
  #accepted(read: PolicyRead, { uid, policy_files }: OperatorSite, who: string): PolicyRead {
    const shipped = policy_files.find((one) => one.shipped);
    const before = this.#lastOf(uid)?.hash ?? null;
    if (read.kind !== 'ok' || !shipped || who !== AT_START || before === null || before === read.policy.hash)
      return read;
    const why =
      'it came with the product and has changed since it was accepted: see `fibric policy diff`, then `fibric policy reload`';
    return { kind: 'bad', findings: [wholeFile(shipped.file, why)] };
  }

  #activate(operator: OperatorSite, read: Exclude<PolicyRead, { kind: 'bad' }>, who: string): RunningPolicy {
    const { name, uid } = operator;
    const policy = read.kind === 'ok' ? read.policy : null;
    const entry = this.#entry(operator, read, who);
    if (isNews(this.#lastOf(uid), entry)) this.#options.journal.append(entry);
    const active = this.#lastOf(uid);
    return { operator: name, uid, policy, active, refused: [], warnings: read.kind === 'ok' ? read.warnings : [] };
  }

  #entry({ name, uid }: OperatorSite, read: Exclude<PolicyRead, { kind: 'bad' }>, who: string): PolicyEntry {
    const about = { type: 'policy/1', operator: name, operator_uid: uid, who } as const;
    if (read.kind === 'none') return { ...about, hash: null, text: null, names: [], sources: [] };
    const { policy, sources } = read;
    const names = [...this.#options.site.policy_names].toSorted();
    return { ...about, hash: policy.hash, text: canonicalPolicy(policy), names, sources };
  }

  #lastOf(uid: string): ActivePolicy | null {
    return this.#options.journal.projection.policies.rows.get(uid) ?? null;
  }

  /** The policy of a row. One that this release no longer understands is none, and so is one that no key of the site stands for. */
  #restored(operator: string, { text, hash, names, seq, sources }: ActivePolicy): Policy | null {
    if (text === null) return null;
    try {
      const trusted = this.#options.site.policy_keys.map((key) => keyId(Buffer.from(key, 'base64')));
      if (trusted.length > 0 && !sources.every(({ key }) => key !== null && trusted.includes(key)))
        throw new Error('no key that this site trusts has signed it');
      const policy = restorePolicy(text, new Set(names));
      if (policy.hash === hash) return policy;
      throw new Error(`it has the hash ${policy.hash}`);
    } catch (error) {
      const text = `the policy in row ${seq} cannot be used: ${messageOf(error)}`;
      raise(this.#options, 'policy_refused', text, { operator });
      return null;
    }
  }
}

/** That there is no policy is news only where there was one. */
function isNews(before: ActivePolicy | null, { hash, sources }: PolicyEntry): boolean {
  if (before === null) return hash !== null;
  return before.hash !== hash || canonicalText(before.sources) !== canonicalText(sources);
}

/** Reads the policies of the site's operators, and journals those that begin to decide. */
export function createPolicies(options: PoliciesOptions): Policies {
  return new SitePolicies(options);
}
