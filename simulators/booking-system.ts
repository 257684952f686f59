/** The hotel's booking system over HTTP: `GET /v1/bookings?from=&to=` answers with the bookings that touch that time. */
import type { Clock } from '@fibric/sdk';
import { isoTime } from '@fibric/sdk';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Booking, Guests } from './guests.ts';
import { LoopbackHttp } from './http-server.ts';

const DAY_MS = 24 * 3_600_000;

/** A booking on the wire. */
export interface BookingRecord {
  readonly booking_id: string;
  readonly room: string;
  readonly guest_ref: string;
  readonly arrives_at: string;
  readonly departs_at: string;
  readonly status: 'booked' | 'in_house' | 'departed' | 'cancelled';
}

function statusAt(booking: Booking, nowMs: number): BookingRecord['status'] {
  if (booking.cancelled) return 'cancelled';
  if (nowMs < booking.arrivesMs) return 'booked';
  return nowMs < booking.departsMs ? 'in_house' : 'departed';
}

/** The booking as the system shows it at `nowMs`. */
export function bookingRecord(booking: Booking, nowMs: number): BookingRecord {
  return {
    booking_id: booking.bookingId,
    room: booking.room,
    guest_ref: booking.guestRef,
    arrives_at: isoTime(booking.arrivesMs),
    departs_at: isoTime(booking.departsMs),
    status: statusAt(booking, nowMs),
  };
}

export class BookingSystem {
  readonly #world: string;
  readonly #guests: Guests;
  readonly #clock: Clock;
  readonly #http = new LoopbackHttp();

  /** `clock` is that of the site. */
  constructor(world: string, guests: Guests, clock: Clock) {
    this.#world = world;
    this.#guests = guests;
    this.#clock = clock;
  }

  get port(): number {
    return this.#http.port;
  }

  async start(port: number): Promise<void> {
    await this.#http.start(port, (request, response) => this.#serve(request, response));
  }

  async stop(): Promise<void> {
    await this.#http.stop();
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const reply = (status: number, body: unknown): void => {
      // The world's mark of HTTP (sdk/driver.ts, World).
      response.writeHead(status, { 'content-type': 'application/json', 'fibric-world': this.#world });
      response.end(`${JSON.stringify(body)}\n`);
    };
    if (request.method !== 'GET' && request.method !== 'HEAD') return reply(405, { error: 'only GET is offered here' });
    if (url.pathname === '/')
      return reply(200, { service: 'booking system', provenance: 'simulated', world: this.#world });
    if (url.pathname !== '/v1/bookings') return reply(404, { error: `there is no ${url.pathname}` });
    const nowMs = this.#clock.wallMs();
    const fromMs = moment(url.searchParams.get('from'), nowMs - DAY_MS);
    const toMs = moment(url.searchParams.get('to'), (fromMs ?? nowMs) + 3 * DAY_MS);
    if (fromMs === null || toMs === null || toMs < fromMs || toMs - fromMs > 60 * DAY_MS) {
      return reply(400, { error: 'from and to must be RFC 3339 times, in order, at most 60 days apart' });
    }
    reply(
      200,
      this.#guests.bookings(fromMs, toMs).map((booking) => bookingRecord(booking, nowMs)),
    );
  }
}

function moment(text: string | null, otherwise: number): number | null {
  if (text === null) return otherwise;
  try {
    return Temporal.Instant.from(text).epochMilliseconds;
  } catch {
    return null;
  }
}
