/** What the receipts prove: bundles out, and bundles and folders verified against the keys that somebody trusts. */
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Erasure } from '@fibric/gateway/api/view';
import type { Proof, Verified } from '@fibric/gateway/journal/types';
import { exportBundle as writeBundle } from '@fibric/gateway/proof/export';
import { parseTrust, type Trust } from '@fibric/gateway/proof/trust';
import { FibricError, messageOf } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode, type Io, person } from '../call.ts';
import { clientOf, connect } from '../client.ts';
import { dataFolder, runningIn } from '../data-folder.ts';
import { count, document, line, state, time } from '../print.ts';
import { openRecords } from '../records.ts';

const EXITS: Readonly<Record<Proof['kind'], ExitCode>> = {
  proved: EXIT.done,
  tampered: EXIT.tampered,
  incomplete: EXIT.incomplete,
  bad_input: EXIT.usage,
};

export async function verify(call: Call): Promise<ExitCode> {
  const proof = await proofOf(call);
  if (call.options.json) document(call.io, { object: 'verification', ...proof });
  else print(call.io, proof);
  return EXITS[proof.kind];
}

async function proofOf(call: Call): Promise<Proof> {
  const [bundle] = call.args;
  const trust = trustOf(call);
  if (bundle !== undefined) {
    if (trust === null)
      throw new FibricError('invalid_parameter', 'a bundle proves something to those who trust a key: --trust <file>');
    const { verifyBundle } = await import('@fibric/gateway/proof/bundle');
    return verifyBundle(resolve(call.io.cwd, bundle), trust);
  }
  if (trust !== null) {
    const { proveFolder } = await import('@fibric/gateway/proof/folder');
    return proveFolder(await dataFolder(call), trust);
  }
  const records = await openRecords(call);
  try {
    return await records.verify();
  } finally {
    records.close();
  }
}

function trustOf({ options, io }: Call): Trust | null {
  if (options.trust === undefined) return null;
  let text: string;
  try {
    text = readFileSync(resolve(io.cwd, options.trust), 'utf8');
  } catch (error) {
    throw new FibricError('invalid_parameter', `the trust file cannot be read: ${messageOf(error)}`);
  }
  const trust = parseTrust(text);
  if (typeof trust === 'string') throw new FibricError('invalid_parameter', `${options.trust}: ${trust}`);
  return trust;
}

function print(io: Io, proof: Proof): void {
  switch (proof.kind) {
    case 'proved':
      io.out(`${state(io, 'proved')}: ${contents(proof)}`);
      details(io, proof);
      return;
    case 'incomplete':
      io.out(`${state(io, 'incomplete')} after row ${proof.after}: ${proof.reason}; ${contents(proof)}`);
      details(io, proof);
      return;
    case 'tampered':
      line(io, `${state(io, 'tampered')}: seq ${proof.seq}: ${proof.reason}`);
      io.err('Keep the folder as evidence; rows before that seq are proved.');
      return;
    case 'bad_input':
      line(io, `${state(io, 'bad input')}: seq ${proof.seq}: ${proof.reason}`);
  }
}

function contents({ rows, receipts, open_intents, head }: Verified): string {
  const open = open_intents === 0 ? '' : `, ${count(open_intents, 'intent')} without an outcome yet`;
  return `${count(rows, 'row')}, ${count(receipts, 'receipt')}${open}, head ${head}`;
}

function details(io: Io, { checkpoint, erased, withheld }: Verified): void {
  if (checkpoint !== null) {
    const seen = checkpoint.cosigned.map(({ witness, at }) => `, seen by ${witness} at ${time(at)}`);
    line(io, `signed by ${checkpoint.origin} up to row ${checkpoint.size}${seen.join('')}`);
  }
  for (const { seq, field, who, reason, at } of erased)
    line(io, `erased: ${field} of row ${seq}, on ${time(at)} by ${who}: ${reason}`);
  if (withheld > 0) line(io, `${count(withheld, 'text')} not shown`);
}

export async function exportBundle(call: Call): Promise<ExitCode> {
  const [file = '', receipt] = call.args;
  const { from, to, json } = call.options;
  if (receipt !== undefined && (from !== undefined || to !== undefined))
    throw new FibricError('invalid_parameter', 'either one receipt or rows --from --to, not both');
  const data = await dataFolder(call);
  const running = await runningIn(data);
  // What is not signed yet would not be proved.
  if (running !== null) await clientOf(data, running).post('/v1/receipts/checkpoint');
  const done = writeBundle(data, receipt === undefined ? { from, to } : { receipt }, resolve(call.io.cwd, file));
  if (json) document(call.io, done);
  else {
    line(call.io, `${done.file}: ${count(done.rows, 'row')}`);
    if (done.size === null)
      call.io.err('No checkpoint covers these rows: start the gateway, which signs them, and export again.');
  }
  return EXIT.done;
}

export async function trust(call: Call): Promise<ExitCode> {
  const { logOf } = await import('@fibric/gateway/proof/folder');
  const log = logOf(await dataFolder(call));
  if (call.options.json) document(call.io, { object: 'receipt_log', ...log });
  else call.io.out(`log ${log.key}\nquorum none`);
  return EXIT.done;
}

export async function erase(call: Call): Promise<ExitCode> {
  const [receipt = '', field = ''] = call.args;
  const who = person(call);
  const { reason, json } = call.options;
  if (reason === undefined) throw new FibricError('invalid_parameter', 'why is it erased? --reason <text>');
  const path = `/v1/receipts/${encodeURIComponent(receipt)}/erase`;
  const done = await (await connect(call)).post<Erasure>(path, { field, who, reason });
  if (json) document(call.io, done);
  else line(call.io, `erased: ${field} of ${done.erased.map(({ seq }) => `row ${seq}`).join(', ')}`);
  return EXIT.done;
}
