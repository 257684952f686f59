/** Every bound of the system, with its unit and its reason. Relations between bounds are asserted at load. */
export const LIMITS = {
  /** A plan is read by a person; beyond this nobody does, and parsing must stay bounded. */
  planBytes: 256 * 1024,
  planActions: 200,
  planDepth: 16,
  /** `ctx.state` is for watermarks, not for memory of the world. */
  stateBytes: 64 * 1024,
  /** A run that thinks longer than this proposes on a picture that is gone. */
  runDeadlineMs: 10_000,
  /** Heap of an operator host, MiB: several times what the shipped operators need. */
  hostHeapMib: 64,
  /** Private memory of an operator host outside its heap, MiB, as address space: V8 alone reserves about 560. */
  hostDataMib: 1_024,
  /** An operator host that has not said what it is by then never will. */
  hostStartMs: 30_000,
  /** The longest pause before an operator host that keeps dying is started again. */
  hostBackoffMs: 30_000,
  /** One line from an operator host: a plan with its envelope. Cut off before it is parsed. */
  hostFrameBytes: 320 * 1024,
  /** Reads of one run: more is a loop, not a look. */
  sensesPerRun: 1_000,
  /** What an operator prints: characters of a line, lines a minute; the rest is counted. */
  operatorLineChars: 500,
  operatorLines: 100,
  /** Envelopes waiting for one operator; the oldest is dropped and counted, readings may be lost, actions never. */
  runQueue: 1_000,
  /** Runs handed to a host before the first has answered: hides the hand-over, keeps order. */
  runsInFlight: 64,
  /** Actions waiting for one lane, and in all: more is a flood, and waiting longer acts on a picture that is gone. */
  laneWaiting: 8,
  lanesWaiting: 1_000,
  laneWaitMs: 30_000,
  /** An idempotency key, tenant-scoped, as the published API bounds it. */
  keyChars: 255,
  /** Process stopped longer than this between the device's answer or the intent and the send: what was decided may no longer hold. */
  sendPauseMs: 2_000,
  /** How long a write in doubt may still arrive where the profile does not say; twice its timeout when that is longer. */
  lateWriteMs: 3_000,
  /** A doubt not settled by then becomes `unknown`. */
  settlementMs: 300_000,
  /** Attempts of one action under one key. */
  attempts: 3,
  /** Deciding is arithmetic; what takes longer is a defect, and what it was decided on is old (§2.10). */
  policyMs: 50,
  /** Changes of one point that are remembered: what a policy may count a day, and what a ramp can add up. */
  changesKept: 32,
  /** How far back actions sent are counted, and how many receipts are read for it at start. */
  sentWindowMs: 24 * 3_600_000,
  sentReceipts: 50_000,
  /** One excursion of one intent at the most; the next proposal opens a new one. */
  maxEpisodeMs: 24 * 3_600_000,
  /** Leases that end together are released one after the other, so that a plant does not jump. */
  releaseStaggerMs: 5_000,
  /** A release that does not come through is tried again, for ever: first after, and at the longest after. */
  releaseRetryMs: 5_000,
  releaseRetryMaxMs: 600_000,
  /** Failures in a row on one entity, and failures on one connection within so long, after which nothing more is sent. */
  breakerEntity: 3,
  breakerConnector: 10,
  breakerWindowMs: 600_000,
  /** One page about one subject in so long; what comes in between goes out together. */
  pageEveryMs: 300_000,
  /** No channel has taken anything for so long: nothing is done any more that a person is to be told of. */
  alertGraceMs: 900_000,
  /** One attempt to hand a page to a channel, and how long an action waits that may only be done once a page is handed over. */
  alertSendMs: 10_000,
  alertAcceptMs: 15_000,
  /** The file of pages; then it is begun anew and the one before is kept beside it. */
  alertFileBytes: 8 * 1024 * 1024,
  /** A person's name, and why they stopped the gateway. */
  nameChars: 100,
  reasonChars: 500,
  /** A plan that waits for a person expires by then (published: 72 hours). */
  approvalMs: 72 * 3_600_000,
  /** Points that one action says it rests on: a person reads them all. */
  dependsOn: 16,
  /** Actions that wait for persons: nobody reads more. */
  approvalsWaiting: 1_000,
  /** So many times the age at which what it rests on is too old for a gate, and an approval comes too late as well. */
  basisAges: 10,
  /** One file of the site or one policy: many times what a person writes, and how deep one nests. */
  configChars: 1024 * 1024,
  configDepth: 32,
  /** The rules of one operator in canonical form: thousands of them, and still one journal row. */
  policyChars: 256 * 1024,
  /** A payload that arrives at a topic of ours; larger ones are counted as malformed. */
  messageBytes: 256 * 1024,
  /** A point's text value: a word, not a document; a receipt with its evidence must fit a journal row. */
  textChars: 1_000,
  /** Exact topics that a connection remembers; strangers can invent more below a wildcard. */
  knownTopics: 10_000,
  /** A reply of an HTTP system; beyond this it is cut off and counts as not understood. */
  replyBytes: 4 * 1024 * 1024,
  /** How long a commit waits for actions that are about to need one as well. Below the 10 ms that a group commit may take. */
  gatherMs: 5,
  /** Rows of a journal segment, whose keys are indexed at once when it is full; those of an unfinished one are read at each start. */
  segmentRows: 4_096,
  /** Body of one journal row: the largest plan with what its approvals rest on, the state it returns and the message that woke it. */
  rowBytes: 680 * 1024,
  /** A checkpoint signs the rows of the journal after so many of them, and when one has stood so long unsigned. */
  checkpointRows: 64,
  checkpointMs: 60_000,
  /** One line of a bundle of receipts: any row, with each of its characters at its longest. */
  bundleLineBytes: 4 * 1024 * 1024,
  /** Actions that a verifier holds open at once: hundreds of times what waits in a house. */
  verifierActions: 200_000,
  /** Envelopes of one block of the event log, and the longest they wait for it: each block is a flush, and a flash card has so many. */
  eventBlock: 1_000,
  eventBlockMs: 1_000,
  /** Text of one block before compression: large envelopes make more blocks, not larger ones. */
  eventBlockBytes: 1024 * 1024,
  /** Blocks that may wait for a slow disk; the oldest is dropped and counted. Also how far cursors jump after a crash. */
  eventBlocksWaiting: 64,
  /** The event log as a whole; the oldest blocks are dropped and counted. */
  eventLogBytes: 512 * 1024 * 1024,
  /** Below this share of the file system the oldest telemetry goes. */
  spaceLowShare: 0.15,
  /** Below this share, or so many bytes, no new plan is admitted: what is left is for outcomes and releases. */
  spaceOutShare: 0.05,
  spaceOutBytes: 64 * 1024 * 1024,
  /** Kept on the disk to be given up once: room for the outcomes of everything that is under way when the disk is full. */
  ballastBytes: 32 * 1024 * 1024,
  /** The journal's write-ahead log is emptied from time to time; this much of it means that somebody reads on and keeps it from that. */
  walStuckBytes: 256 * 1024 * 1024,
  /** How often free space is looked at, beside before every plan, and how much telemetry goes at a time. */
  spaceCheckMs: 5_000,
  spaceShrinkBytes: 4 * 1024 * 1024,
  /** Journal failures after which a restart does not act by itself any more, and the time in which they count. */
  journalFailures: 3,
  journalFailuresMs: 600_000,
  /** The whole journal is looked through so often; and how often it is asked whether it is time, for the first time after a start. */
  scrubEveryMs: 7 * 24 * 3_600_000,
  scrubLookMs: 3_600_000,
  /** A difference between wall and monotonic time that is a jump and no drift. */
  clockJumpMs: 2_000,
  /** A clock that may be further off than this is not trusted for a time of day: 69 days at 50 ppm. */
  clockUncertaintyMs: 300_000,
  /** A secret in a file; a larger file is not one. */
  secretBytes: 64 * 1024,
  /** A page of the local API. */
  pageMax: 100,
  pageDefault: 20,
} as const;

function relation(holds: boolean, why: string): void {
  if (!holds) throw new Error(`limits contradict each other: ${why}`);
}

relation(LIMITS.stateBytes < LIMITS.planBytes, 'a plan carries the state it returns');
relation(LIMITS.planBytes < LIMITS.hostFrameBytes, 'a plan fits into the line that carries it');
relation(
  LIMITS.rowBytes > LIMITS.planBytes + LIMITS.stateBytes + LIMITS.messageBytes,
  'any plan that is admitted fits a row',
);
relation(LIMITS.rowBytes * 6 <= LIMITS.bundleLineBytes, 'any row fits a line of a bundle');
relation(LIMITS.laneWaiting < LIMITS.lanesWaiting, 'one lane cannot fill the house');
relation(LIMITS.laneWaitMs < LIMITS.settlementMs, 'those who wait behind a doubt give up before it is settled');
relation(2 * LIMITS.policyChars < LIMITS.rowBytes, 'a policy fits a row, quoted as text in JSON');
relation(LIMITS.runsInFlight <= LIMITS.runQueue, 'what is in flight was queued first');
relation(LIMITS.pageDefault <= LIMITS.pageMax, 'the default page is a page');
relation(LIMITS.settlementMs < LIMITS.maxEpisodeMs, 'a doubt ends inside its episode');
relation(LIMITS.releaseRetryMs <= LIMITS.releaseRetryMaxMs, 'a retry does not come sooner the longer it fails');
relation(LIMITS.alertSendMs < LIMITS.alertAcceptMs, 'an action waits for at least one attempt');
relation(
  LIMITS.alertAcceptMs < LIMITS.laneWaitMs,
  'those who wait behind an alert do not give up before it is settled',
);
relation(LIMITS.spaceOutShare < LIMITS.spaceLowShare, 'telemetry goes before admission does');
relation(LIMITS.ballastBytes <= LIMITS.spaceOutBytes, 'the ballast is made only where it leaves room');
relation(LIMITS.messageBytes < LIMITS.eventBlockBytes, 'a block holds any envelope');
