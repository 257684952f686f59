/** A site file: run it, check it. */
import { resolve } from 'node:path';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { count, document, findingLine, line, printable } from '../print.ts';

export async function up({ args, options, io }: Call): Promise<ExitCode> {
  const { InvalidSite, runGateway } = await import('@fibric/gateway/main');
  const data = options.data ?? io.variable('FIBRIC_DATA');
  try {
    await runGateway({ siteFile: resolve(io.cwd, args[0] ?? ''), ...(data ? { data: resolve(io.cwd, data) } : {}) });
  } catch (error) {
    if (error instanceof InvalidSite) for (const finding of error.findings) io.err(printable(findingLine(finding)));
    throw error;
  }
  return EXIT.done;
}

export async function validate({ args, options, io }: Call): Promise<ExitCode> {
  const { validateSite } = await import('@fibric/gateway/main');
  const findings = validateSite(resolve(io.cwd, args[0] ?? ''));
  if (options.json) {
    document(io, { object: 'validation', valid: findings.length === 0, findings });
  } else {
    for (const finding of findings) line(io, findingLine(finding));
    io.err(findings.length === 0 ? 'valid' : `${count(findings.length, 'finding')}: mend each at the line it names`);
  }
  return findings.length === 0 ? EXIT.done : EXIT.usage;
}
