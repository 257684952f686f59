/** `docs/STATES.md`: the table of gateway/journal/lifecycle.ts as a page. */
import { OUTCOMES } from '@fibric/sdk';
import { LIFECYCLE, mayEnd, type Standing } from '@fibric/gateway/journal/lifecycle';

const WORDS = {
  approval: 'a yes',
  last_approval: 'the last yes it needs',
  intent: 'an intent',
};

/** The page as it should stand. */
export function statesPage(): string {
  const standings = Object.keys(LIFECYCLE) as Standing[];
  const steps = standings.flatMap((from) =>
    Object.entries(LIFECYCLE[from].steps).map(
      ([step, { to, commit }]) => `| ${from} | ${WORDS[step as keyof typeof WORDS]} | ${to} | ${commit} |`,
    ),
  );
  const ends = OUTCOMES.map(
    (outcome) => `| \`${outcome}\` | ${standings.map((from) => (mayEnd(from, outcome) ? '●' : '')).join(' | ')} |`,
  );
  return `# The life of an action

This page is made from \`gateway/journal/lifecycle.ts\` (\`npm run docs\`), the table that the journal steps by: a step that is not in it
does not happen. Every row is durable (one commit, \`synchronous=FULL\`) before what follows from it. There is no state "sent": after an
intent, the absence of a receipt means "in doubt", whatever happened, and is settled by reading the device.

| stands at | which means |
|---|---|
${standings.map((name) => `| **${name}** | ${LIFECYCLE[name].words} |`).join('\n')}
| **ended** | has its one receipt, and no row after it but those that refer to it |

An action comes into being with its plan (\`plan/1\`, commit T1) as refused, awaiting or queued. From there:

| stands at | then comes | and it stands at | commit |
|---|---|---|---|
${steps.join('\n')}

And it ends with its receipt (\`receipt/1\`, commit T4) as:

| outcome | ${standings.map((name) => `from ${name}`).join(' | ')} |
|---|${standings.map(() => '---|').join('')}
${ends.join('\n')}
`;
}
