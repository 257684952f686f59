/**
 * Reads on demand that wait for the link at the same time: those of one unit that lie side by side leave as one request. Many
 * actions on one controller then cost a request together where each would have cost one.
 *
 * M13 Only an answer is shared: where a joint request brings none, each reads for itself. No read is answered by a request that left
 * before it was asked.
 */
import type { Link } from './link.ts';
import { type Block, planBlocks } from './plan.ts';
import { type BlockReading, concluded, exchangeBlock, failed, good, readBlock } from './read.ts';
import { RANK, type Session } from './session.ts';

/** One read that waits for its turn. */
interface Ticket {
  readonly block: Block;
  readonly answer: (reading: BlockReading) => void;
  answered: boolean;
}

/** What is left to do once the link is free again. */
type Rest = () => BlockReading | Promise<BlockReading>;

export class Gathering {
  readonly #session: Session;
  readonly #waiting = new Set<Ticket>();

  constructor(session: Session) {
    this.#session = session;
  }

  /** Reads one block, to be over by `endMs`. */
  read(block: Block, endMs: number): Promise<BlockReading> {
    return new Promise((resolve, reject) => {
      const ticket: Ticket = { block, answer: resolve, answered: false };
      this.#waiting.add(ticket);
      this.#session
        .submit<Rest>(
          RANK.read,
          endMs,
          (link, leftMs) => this.#exchange(ticket, endMs, link, leftMs()),
          (why) => {
            this.#waiting.delete(ticket);
            return () => failed(block, { kind: 'unavailable', why });
          },
          () => !ticket.answered,
        )
        .then((rest) => rest())
        .then(resolve, reject);
    });
  }

  /** The turn of a ticket has come: those that fit go along. */
  async #exchange(ticket: Ticket, endMs: number, link: Link, leftMs: number): Promise<Rest> {
    this.#waiting.delete(ticket);
    const { block, others } = this.#joined(ticket);
    for (const other of others) this.#waiting.delete(other);
    const outcome = await exchangeBlock(link, block, leftMs);
    if (others.length === 0) return () => concluded(this.#session, block, outcome, RANK.read, endMs);
    if (outcome.kind === 'exception') return () => readBlock(this.#session, ticket.block, RANK.read, endMs);
    if (outcome.kind !== 'cells') return () => failed(ticket.block, outcome);
    const reading = good(block, outcome.cells);
    for (const other of others) {
      other.answered = true;
      other.answer(reading);
    }
    return () => reading;
  }

  /** The request of a ticket with all that lies beside it, and the tickets that this answers as well. */
  #joined({ block }: Ticket): { readonly block: Block; readonly others: readonly Ticket[] } {
    const alone = { block, others: [] };
    const near = [...this.#waiting].filter(
      (other) => other.block.unit === block.unit && other.block.table === block.table,
    );
    if (near.length === 0) return alone;
    const items = new Set([...block.items, ...near.flatMap((other) => other.block.items)]);
    const joint = planBlocks([...items]).find((one) => isInside(block, one));
    return joint === undefined ? alone : { block: joint, others: near.filter((other) => isInside(other.block, joint)) };
  }
}

/** A block of other items may reach the limit of a request before the end of one of its parts. */
function isInside(part: Block, whole: Block): boolean {
  return part.start >= whole.start && part.start + part.count <= whole.start + whole.count;
}
