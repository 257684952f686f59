/** Policies: check them, see which decide and what they would say, have them read again. */
import { resolve } from 'node:path';
import type { Evaluation } from '@fibric/gateway/executor/evaluate';
import type { PolicyView } from '@fibric/gateway/policies/view';
import { argumentsOf, type Call, EXIT, type ExitCode, person } from '../call.ts';
import { connect } from '../client.ts';
import { count, document, findingLine, line, list, paint, state, time } from '../print.ts';

export async function check({ args, options, io }: Call): Promise<ExitCode> {
  const { checkPolicy } = await import('@fibric/gateway/main');
  const site = options.site === undefined ? null : resolve(io.cwd, options.site);
  const found = checkPolicy(resolve(io.cwd, args[0] ?? ''), site);
  const { policies, findings, warnings } = found;
  const valid = findings.length === 0;
  if (options.json) {
    document(io, { object: 'policy_check', valid, ...found });
    return valid ? EXIT.done : EXIT.usage;
  }
  for (const finding of findings) line(io, findingLine(finding));
  for (const warning of warnings) line(io, `${findingLine(warning)} ${paint(io, 'yellow', '(warning)')}`);
  for (const { operator, hash, rules } of policies) {
    const whose = operator === null ? '' : ` of ${operator}`;
    line(io, `policy${whose}  ${count(rules, 'rule')}, hash ${hash.slice(0, 12)}`);
  }
  if (valid && policies.length === 0) io.err('no policy: everything is blocked');
  else if (valid) io.err(warnings.length === 0 ? 'valid' : `valid, with ${count(warnings.length, 'warning')}`);
  else io.err(`${count(findings.length, 'finding')}: it is not used; mend each at the line it names`);
  return valid ? EXIT.done : EXIT.usage;
}

export async function ls(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<PolicyView>('/v1/policy'),
    json: options.json === true,
    limit: options.limit,
    head: ['OPERATOR', 'STATE', 'POLICY', 'RULES', 'SINCE', 'BY', 'FILES', 'FINDINGS'],
    row: (one) => [
      one.operator,
      state(io, one.state),
      one.hash?.slice(0, 12) ?? null,
      one.rules,
      time(one.activated?.at ?? null),
      one.activated?.who ?? null,
      one.activated?.sources.map(({ file }) => file).join(' ') ?? null,
      one.findings.length,
    ],
  });
  return EXIT.done;
}

/** What decides, in a line, and why that is not what stands in the files. */
export function policyLines({ io }: Pick<Call, 'io'>, one: PolicyView): readonly string[] {
  const hash = one.hash === null ? '' : ` ${one.hash.slice(0, 12)}`;
  return [
    `${one.operator} ${state(io, one.state)}${hash}${WORDS[one.state]}`,
    ...one.findings.map((f) => `  ${findingLine(f)}`),
  ];
}

const WORDS: Readonly<Record<PolicyView['state'], string>> = {
  active: '',
  kept: ': goes on, as the files have findings',
  none: ': everything it proposes is blocked',
};

export async function explain(call: Call): Promise<ExitCode> {
  const { io, options, args } = call;
  const [capability = '', entity = null] = args;
  const { operator = null, value = null, arg = [] } = options;
  const question = { capability, entity, operator, value, args: argumentsOf(arg) };
  const answer = await (await connect(call)).post<Evaluation>('/v1/policy/evaluate', question);
  if (options.json) document(io, answer);
  else {
    for (const text of answer.explanation.split('\n')) line(io, text);
    for (const { reason, reason_code, stage } of answer.hurdles)
      line(io, `Beside the rules, now: ${reason} (${reason_code}, stage ${stage}).`);
    const hash = answer.policy_hash?.slice(0, 12) ?? 'none';
    io.err(`policy ${hash}, ${answer.operator} is ${answer.mode}, asked as at ${MOMENTS[answer.moment]}`);
  }
  return answer.decision === 'BLOCK' ? EXIT.refused : EXIT.done;
}

const MOMENTS: Readonly<Record<Evaluation['moment'], string>> = {
  admission: 'admission: it would not come further',
  head: 'the head of the lane',
};

export async function reload(call: Call): Promise<ExitCode> {
  const client = await connect(call);
  const { data } = await client.post<{ readonly data: readonly PolicyView[] }>('/v1/policy/reload', {
    who: person(call),
  });
  if (call.options.json) document(call.io, { object: 'policy_reload', data });
  else for (const one of data) for (const text of policyLines(call, one)) line(call.io, text);
  return data.every(({ findings }) => findings.length === 0) ? EXIT.done : EXIT.usage;
}
