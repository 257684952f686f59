/** Cases that a person wrote for a policy, tried on it: before it decides anything. */
import { readFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { readPolicy } from '@fibric/gateway/config/policy-files';
import { type CaseResult, casesSchema, checkYaml, tryCase } from '@fibric/policy';
import { FibricError, messageOf } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { count, document, line, state } from '../print.ts';
import { refused } from './policy-diff.ts';

export async function test(call: Call): Promise<ExitCode> {
  const { io, options, args } = call;
  const file = resolve(io.cwd, args[0] ?? '');
  const checked = checkYaml(textOf(file), file, casesSchema);
  if ('findings' in checked) return refused(call, checked.findings);
  const { policyGround } = await import('@fibric/gateway/main');
  const ground = policyGround(options.site === undefined ? null : resolve(io.cwd, options.site));
  if ('findings' in ground) return refused(call, ground.findings);
  const files = checked.value.policy.map((name) => {
    const path = resolve(dirname(file), name);
    return { name, file: path, path, shipped: false };
  });
  // It is only tried: it need not be signed.
  const read = readPolicy(files, { ...ground, policy_keys: [] });
  if (read.kind !== 'ok') return refused(call, read.kind === 'bad' ? read.findings : []);
  const results = checked.value.cases.map((one) => tryCase(read.policy, one));
  const failed = results.filter(({ holds }) => !holds).length;
  if (options.json) document(io, { object: 'policy_test', hash: read.policy.hash, failed, results });
  else for (const one of results) show(call, one);
  io.err(
    failed === 0
      ? `${count(results.length, 'case')}, all hold`
      : `${failed} of ${count(results.length, 'case')} do not hold`,
  );
  return failed === 0 ? EXIT.done : EXIT.failed;
}

function textOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw new FibricError('not_found', `${file} cannot be read: ${messageOf(error)}`);
  }
}

function show({ io }: Call, { name, holds, differs, explanation }: CaseResult): void {
  line(io, `${state(io, holds ? 'ok' : 'failed')}  ${name}`);
  if (holds) return;
  for (const text of [...differs, ...explanation.split('\n')]) line(io, `    ${text}`);
}
