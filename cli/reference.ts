/** `docs/CLI.md`, made from the table of verbs: `node cli/reference.ts > docs/CLI.md`. A test holds the two together. */
import { GROUPS, OPTIONS, VERBS, type Verb } from './verbs.ts';

const HEAD = `# The \`fibric\` command

Made from the table of verbs (\`cli/verbs.ts\`) by \`node cli/reference.ts > docs/CLI.md\`.

It speaks to the gateway of one data folder, over loopback, with the token that lies there. Which folder: \`--data <dir>\`, else
\`FIBRIC_DATA\`, else \`./.fibric/hotel\` or \`./.fibric/office\`, whichever one has a running gateway. With no gateway running there,
\`receipts ls\`, \`receipts show\`, \`receipts verify\`, \`plans ls\`, \`plans show\` and \`events ls\` read the folder itself; \`policy diff\` always
does. \`policy check\` and \`policy sign\` need no gateway.

Results go to stdout, everything else to stderr, with what to do next. \`--json\` prints one document; \`ls\` and \`tail\` print one
object a line. \`ls\` prints everything, oldest first; \`--limit\` keeps the newest of what has a time and the first of what has none.
There is no colour in a pipe, nor with \`NO_COLOR\`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | usage, or an invalid configuration |
| 3 | refused by policy: everything that was proposed |
| 4 | not found |
| 5 | gateway not reachable |
| 6 | verification failed |
| 7 | proved in part: nothing that is trusted covers the rest |
`;

const escaped = (text: string): string => text.replaceAll('|', '\\|').replaceAll('<', '&lt;');

function row(verb: Verb): string {
  const call = `\`fibric ${[verb.name, verb.args].filter(Boolean).join(' ')}\``;
  const options = verb.options.map((name) => `\`${OPTIONS[name][0]}\``).join(' ');
  return `| ${call} | ${escaped(verb.summary)} | ${options} |`;
}

function section(title: string, verbs: readonly Verb[]): string {
  return [`## ${title}`, '', '| verb | what it does | options |', '|---|---|---|', ...verbs.map(row), ''].join('\n');
}

/** The document as it must stand in `docs/CLI.md`. */
export function cliReference(): string {
  const single = VERBS.filter((verb) => !verb.name.includes(' '));
  const groups = Object.entries(GROUPS).map(([group, meaning]) =>
    section(
      `\`${group}\`: ${meaning}`,
      VERBS.filter((verb) => verb.name.startsWith(`${group} `)),
    ),
  );
  const options = Object.values(OPTIONS).map(([flags, help]) => `| \`${flags}\` | ${escaped(help)} |`);
  const optionTable = ['## Options', '', '| option | meaning |', '|---|---|', ...options, ''].join('\n');
  return [HEAD, section('The site', single), ...groups, optionTable].join('\n');
}

if (import.meta.main) process.stdout.write(cliReference());
