/** The table of verbs: what the command can do. Help, docs/CLI.md and the program are made from it. */
import type { Run } from './call.ts';

export interface Verb {
  /** One or two words: `status`, `receipts show`. */
  readonly name: string;
  /** Arguments as help shows them. */
  readonly args?: string;
  readonly summary: string;
  readonly options: readonly OptionName[];
  /** Loads only what this verb needs. */
  readonly run: Run;
}

export const OPTIONS = {
  data: ['--data <dir>', 'data folder of the gateway (also FIBRIC_DATA)'],
  json: ['--json', 'print JSON: one document, or one object a line for lists and tails'],
  limit: ['--limit <n>', 'only so many; the newest of what has a time'],
  operator: ['--operator <name>', 'only of this operator'],
  type: ['--type <glob>', 'only events of this type; * stands for one segment'],
  as: ['--as <who>', 'the person in whose name it is done'],
  waiting: ['--waiting', 'only those that wait for a person, or that one may approve on another basis than at first'],
  action: ['--action <n>', 'only this action of the plan, as `plans show` numbers them'],
  basis: [
    '--basis <hash>',
    'to what fell because its basis had changed: the basis found instead, as `plans show` prints it',
  ],
  deadline: ['--deadline <time>', 'not after this moment, RFC 3339 such as 2026-07-02T08:00:00Z'],
  release: ['--release', 'also take back every lease, one after the other'],
  clear: ['--clear', 'end the stop'],
  reason: ['--reason <text>', 'why, for the record'],
  applied: ['--applied', 'it took effect'],
  notApplied: ['--not-applied', 'it did not take effect: its key is free again'],
  once: ['--once', 'one run, now'],
  value: ['--value <n>', 'the quantity that a ceiling applies to, such as the temperature of a setpoint'],
  arg: ['--arg <name=value>', 'an argument; as often as there are any'],
  key: ['--key <file>', 'an Ed25519 private key as PEM (openssl genpkey -algorithm ed25519)'],
  counter: ['--counter <n>', 'which version of the file it is; one more than before when left out'],
  since: ['--since <when>', 'from this time on, or so long before the last; 30d when left out'],
  site: ['--site <site.yaml>', 'the site whose capabilities a policy may speak about'],
  trust: ['--trust <file>', 'whose signatures count: a policy file, see docs/RECEIPTS.md'],
  from: ['--from <seq>', 'from this row on'],
  to: ['--to <seq>', 'up to this row'],
} as const;
export type OptionName = keyof typeof OPTIONS;

/** What the first words mean, as help shows it. */
export const GROUPS: Readonly<Record<string, string>> = {
  connectors: 'the connections to devices and systems',
  capabilities: 'what can be sensed and done here, and through what',
  devices: 'the devices of the site',
  points: 'the points of the devices: list, read now, follow',
  events: 'the event log',
  operators: 'the operators: list, run once, change the mode',
  leases: 'writes that will be taken back, and values set by hand that are left alone',
  policy: 'what operators may do: check it, see what decides, try a change',
  alerts: 'what people were told',
  breakers: 'what is kept shut because it kept failing',
  plans: 'what was proposed, and what waits for a person',
  receipts: 'what became of every action',
  sync: 'what the upstream has',
};

const reading = ['data', 'json'] as const;

export const VERBS: readonly Verb[] = [
  {
    name: 'up',
    args: '<site.yaml>',
    summary: 'run the gateway of a site until it is told to stop',
    options: ['data'],
    run: async (call) => (await import('./verbs/site.ts')).up(call),
  },
  {
    name: 'validate',
    args: '<site.yaml>',
    summary: 'check a site file and everything it names; every finding with its line',
    options: ['json'],
    run: async (call) => (await import('./verbs/site.ts')).validate(call),
  },
  {
    name: 'status',
    summary: 'how the gateway is',
    options: reading,
    run: async (call) => (await import('./verbs/status.ts')).status(call),
  },
  {
    name: 'acknowledge',
    summary: 'let operators act again after the gateway held them back; says what for',
    options: reading,
    run: async (call) => (await import('./verbs/status.ts')).acknowledge(call),
  },
  {
    name: 'doctor',
    summary: 'look for what is wrong and say what to do about it',
    options: reading,
    run: async (call) => (await import('./verbs/doctor.ts')).doctor(call),
  },
  {
    name: 'whoami',
    summary: 'which site this is, and as whom you speak to it',
    options: reading,
    run: async (call) => (await import('./verbs/status.ts')).whoami(call),
  },
  {
    name: 'connectors ls',
    summary: 'every connection and its state',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/lists.ts')).connectors(call),
  },
  {
    name: 'connectors test',
    args: '<id>',
    summary: 'speak to the far end now and say what came of it',
    options: reading,
    run: async (call) => (await import('./verbs/lists.ts')).testConnector(call),
  },
  {
    name: 'capabilities ls',
    summary: 'every capability and what it is bound to',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/lists.ts')).capabilities(call),
  },
  {
    name: 'devices ls',
    summary: 'every device',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/lists.ts')).devices(call),
  },
  {
    name: 'points ls',
    summary: 'every point with its last value',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/points.ts')).ls(call),
  },
  {
    name: 'points read',
    args: '<device/point...>',
    summary: 'read points from their devices now',
    options: reading,
    run: async (call) => (await import('./verbs/points.ts')).read(call),
  },
  {
    name: 'points tail',
    args: '[device/point...]',
    summary: 'follow readings as they come',
    options: reading,
    run: async (call) => (await import('./verbs/points.ts')).tail(call),
  },
  {
    name: 'events ls',
    summary: 'the event log, oldest first',
    options: ['data', 'json', 'limit', 'type'],
    run: async (call) => (await import('./verbs/events.ts')).ls(call),
  },
  {
    name: 'events tail',
    summary: 'follow events as they come',
    options: ['data', 'json', 'type'],
    run: async (call) => (await import('./verbs/events.ts')).tail(call),
  },
  {
    name: 'operators ls',
    summary: 'every operator, its mode and its last run',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/operators.ts')).ls(call),
  },
  {
    name: 'operators run',
    args: '<name>',
    summary: 'run an operator now: what it sensed and proposed, and what became of it',
    options: ['data', 'json', 'once'],
    run: async (call) => (await import('./verbs/operators.ts')).run(call),
  },
  {
    name: 'operators mode',
    args: '<name> <mode>',
    summary: 'set a mode: disabled, propose_only, shadow, live_limited or live; up only with a name and a reason',
    options: ['as', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/operators.ts')).mode(call),
  },
  {
    name: 'stop-all',
    summary: 'stop: nothing new is sent, also after a restart, until it is cleared. Not a safety function',
    options: ['as', 'release', 'reason', 'clear', 'data', 'json'],
    run: async (call) => (await import('./verbs/control.ts')).stopAll(call),
  },
  {
    name: 'leases ls',
    summary: 'every write that will be taken back: when, and to what',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/control.ts')).leases(call),
  },
  {
    name: 'leases release',
    args: '<id>',
    summary: 'take a write back now, or no longer leave alone what was set by hand',
    options: ['as', 'data', 'json'],
    run: async (call) => (await import('./verbs/control.ts')).release(call),
  },
  {
    name: 'policy check',
    args: '<file>',
    summary: 'check a policy, or all policies of a site file; every finding with its line and column',
    options: ['site', 'json'],
    run: async (call) => (await import('./verbs/policy.ts')).check(call),
  },
  {
    name: 'policy ls',
    summary: 'the policies that decide now: since when, by whom, from which files',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/policy.ts')).ls(call),
  },
  {
    name: 'policy explain',
    args: '<capability> [entity]',
    summary: 'which rule would decide this action now, and why, rule by rule; nothing is done',
    options: ['operator', 'value', 'arg', 'data', 'json'],
    run: async (call) => (await import('./verbs/policy.ts')).explain(call),
  },
  {
    name: 'policy diff',
    args: '<file...>',
    summary: 'what a changed policy would have said to everything that was decided: each verdict that changes',
    options: ['operator', 'since', 'limit', 'data', 'json'],
    run: async (call) => (await import('./verbs/policy-diff.ts')).diff(call),
  },
  {
    name: 'policy test',
    args: '<cases.yaml>',
    summary:
      'try the cases of a file on the policies that it names: what is wished for, what is known, what is to come of it',
    options: ['site', 'json'],
    run: async (call) => (await import('./verbs/policy-test.ts')).test(call),
  },
  {
    name: 'policy sign',
    args: '<file>',
    summary: 'sign a policy file for sites that take only signed ones; writes <file>.sig',
    options: ['key', 'counter', 'json'],
    run: async (call) => (await import('./verbs/policy-sign.ts')).sign(call),
  },
  {
    name: 'policy reload',
    summary: 'read the policy files again; one with a finding is refused, and what decided before goes on',
    options: ['as', 'data', 'json'],
    run: async (call) => (await import('./verbs/policy.ts')).reload(call),
  },
  {
    name: 'breakers ls',
    summary: 'what is not sent any more because it kept failing, or because nobody can tell what became of it',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/breakers.ts')).ls(call),
  },
  {
    name: 'breakers close',
    args: '<id>',
    summary: 'let it be sent again',
    options: ['as', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/breakers.ts')).close(call),
  },
  {
    name: 'alerts ls',
    summary: 'what people were told and are being told, oldest first',
    options: ['data', 'json', 'limit'],
    run: async (call) => (await import('./verbs/alerts.ts')).ls(call),
  },
  {
    name: 'alerts tail',
    summary: 'follow alerts as they come',
    options: reading,
    run: async (call) => (await import('./verbs/alerts.ts')).tail(call),
  },
  {
    name: 'propose',
    args: '<capability> [entity]',
    summary: 'propose an action in the name of a person; it goes the way of any other: policy, intent, receipt',
    options: ['as', 'value', 'arg', 'reason', 'deadline', 'data', 'json'],
    run: async (call) => (await import('./verbs/propose.ts')).propose(call),
  },
  {
    name: 'plans ls',
    summary: 'every plan, oldest first',
    options: ['waiting', 'data', 'json', 'limit', 'operator'],
    run: async (call) => (await import('./verbs/plans.ts')).ls(call),
  },
  {
    name: 'plans show',
    args: '<id>',
    summary: 'one plan: what became of each action, or what it waits for and on what basis',
    options: reading,
    run: async (call) => (await import('./verbs/plans.ts')).show(call),
  },
  {
    name: 'plans approve',
    args: '<id>',
    summary: 'say yes to what waits in a plan; it is done if what it rests on is still so',
    options: ['as', 'action', 'basis', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/approve.ts')).approve(call),
  },
  {
    name: 'plans veto',
    args: '<id>',
    summary: 'say no to what waits in a plan',
    options: ['as', 'action', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/approve.ts')).veto(call),
  },
  {
    name: 'receipts ls',
    summary: 'every receipt, oldest first',
    options: ['data', 'json', 'limit', 'operator'],
    run: async (call) => (await import('./verbs/receipts.ts')).ls(call),
  },
  {
    name: 'receipts tail',
    summary: 'follow receipts as they are written',
    options: ['data', 'json', 'operator'],
    run: async (call) => (await import('./verbs/receipts.ts')).tail(call),
  },
  {
    name: 'receipts show',
    args: '<id>',
    summary: 'one receipt: what, who wanted it, why, which rule, before and after',
    options: reading,
    run: async (call) => (await import('./verbs/receipts.ts')).show(call),
  },
  {
    name: 'receipts verify',
    args: '[bundle]',
    summary: 'prove a bundle, or the journal of a folder, without a network; or name the first bad row',
    options: ['trust', 'data', 'json'],
    run: async (call) => (await import('./verbs/proof.ts')).verify(call),
  },
  {
    name: 'receipts export',
    args: '<bundle> [receipt]',
    summary: 'write rows into a file that proves itself: all of them, some, or those of one receipt',
    options: ['from', 'to', 'data', 'json'],
    run: async (call) => (await import('./verbs/proof.ts')).exportBundle(call),
  },
  {
    name: 'receipts erase',
    args: '<receipt> <field>',
    summary: 'erase a text for good, such as reasoning or trigger; what was proved stays proved',
    options: ['as', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/proof.ts')).erase(call),
  },
  {
    name: 'receipts trust',
    summary: 'print the key that signs the receipts here, as a policy file for --trust',
    options: reading,
    run: async (call) => (await import('./verbs/proof.ts')).trust(call),
  },
  {
    name: 'receipts correct',
    args: '<id>',
    summary:
      'say what became of an action whose outcome is unknown; the receipt stays, the correction stands beside it',
    options: ['applied', 'notApplied', 'as', 'reason', 'data', 'json'],
    run: async (call) => (await import('./verbs/correct.ts')).correct(call),
  },
  {
    name: 'why',
    args: '<receipt>',
    summary: 'one receipt on one screen: what woke it, who wanted it, which rules, which bytes, what came of it',
    options: reading,
    run: async (call) => (await import('./verbs/why.ts')).why(call),
  },
  {
    name: 'fsck',
    summary:
      'check the journal of a stopped gateway against itself: file, chain, and all that is stored beside the rows',
    options: reading,
    run: async (call) => (await import('./verbs/fsck.ts')).check(call),
  },
  {
    name: 'sync status',
    summary: 'what the upstream has, what it does not have yet, what it refused',
    options: reading,
    run: async (call) => (await import('./verbs/sync.ts')).status(call),
  },
];
