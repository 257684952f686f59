/** A device at the end of a driver, in memory, for tests of the executor: it does exactly what a test tells it to. */
import {
  badReading,
  type Driver,
  type PointValue,
  type Provenance,
  type Reading,
  type WriteCommand,
  type WriteResult,
} from '@fibric/sdk';

export type Behaviour =
  | 'obey'
  | 'ignore'
  | 'obey_in_silence'
  | 'ignore_in_silence'
  /** Takes the first point of a write, and nothing else of it. */
  | 'half'
  | 'half_in_silence'
  | 'refuse'
  | 'unplugged'
  | { readonly take: PointValue };

const response = { protocol: 'fake', code: 'ok', latency_ms: 1, request: '06', reply: '06' };

export class FakeDevice implements Driver {
  readonly values = new Map<string, PointValue>();
  readonly writes: WriteCommand[] = [];
  readonly unreadable = new Set<string>();
  provenance: Provenance = 'live';
  resets = 0;
  /** One behaviour per write, the last one for all that follow. */
  behaviours: Behaviour[] = ['obey'];
  /** Called when a write arrives, before anything is done about it. */
  onWrite: (command: WriteCommand) => void | Promise<void> = () => undefined;

  start(): void {}

  async stop(): Promise<void> {}

  async reset(): Promise<void> {
    this.resets++;
  }

  async probe() {
    return { status: 'connected' as const, detail: 'fake', latency_ms: 0 };
  }

  async read(refs: readonly { device: string; point: string }[]): Promise<readonly Reading[]> {
    return refs.map((ref) => {
      if (this.unreadable.has(ref.point)) return badReading(ref, 'timeout', this.provenance);
      const value = this.values.get(`${ref.device}/${ref.point}`) ?? null;
      return {
        ...ref,
        value,
        quality: 'good' as const,
        quality_reason: null,
        provenance: this.provenance,
        observed_at: null,
      };
    });
  }

  async write(command: WriteCommand): Promise<WriteResult> {
    if (!command.mayStillSend()) return { kind: 'not_sent', reason_code: 'send_withdrawn', message: 'withdrawn' };
    this.writes.push(command);
    await this.onWrite(command);
    const behaviour = this.behaviours.length > 1 ? this.behaviours.shift() : this.behaviours[0];
    switch (behaviour) {
      case 'refuse':
        return { kind: 'refused', reason_code: 'illegal_value', message: 'exception 3', response };
      case 'unplugged':
        return { kind: 'not_sent', reason_code: 'disconnected', message: 'no connection' };
      case 'ignore':
        return { kind: 'acknowledged', response };
      case 'ignore_in_silence':
        return { kind: 'doubt', reason_code: 'timeout', message: 'no answer', response: null };
      case 'half':
      case 'half_in_silence':
        this.#apply({ ...command, writes: command.writes.slice(0, 1) }, null);
        break;
      case 'obey':
      case 'obey_in_silence':
      case undefined:
        this.#apply(command, null);
        break;
      default:
        this.#apply(command, behaviour.take);
    }
    if (behaviour === 'obey_in_silence' || behaviour === 'half_in_silence')
      return { kind: 'doubt', reason_code: 'timeout', message: 'no answer', response: null };
    return { kind: 'acknowledged', response };
  }

  #apply(command: WriteCommand, take: PointValue): void {
    for (const { point, value } of command.writes) {
      if (point === 'pulse') {
        const counter = `${command.device}/counter`;
        this.values.set(counter, Number(this.values.get(counter) ?? 0) + 1);
      } else {
        this.values.set(`${command.device}/${point}`, take ?? value);
      }
    }
  }
}
