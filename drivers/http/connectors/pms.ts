/** A hotel's booking system: who arrives and departs when, in which room. */
import { FibricError, auth, defineConnector, tool } from '@fibric/sdk';
import { z } from 'zod';

const moment = z.iso.datetime({ offset: true });

/** Booking systems' words for where a stay is, in ours. A cancelled booking is none. */
const STATUS = {
  booked: 'booked',
  checked_in: 'checked_in',
  in_house: 'checked_in',
  checked_out: 'checked_out',
  departed: 'checked_out',
  cancelled: null,
} as const;

const words = Object.keys(STATUS) as (keyof typeof STATUS)[];

const recordSchema = z.object({
  booking_id: z.string().min(1).max(100),
  room: z.string().min(1).max(100),
  guest_ref: z.string().max(200),
  arrives_at: moment,
  departs_at: moment,
  status: z.enum(words),
});

/** One stay, as an operator sees it. Times are RFC 3339. */
export interface Booking {
  readonly booking_id: string;
  readonly room: string;
  readonly guest_ref: string;
  readonly arrives_at: string;
  readonly departs_at: string;
  readonly status: 'booked' | 'checked_in' | 'checked_out';
}

const inputSchema = z.strictObject({ from: moment.optional(), to: moment.optional() });

function bookings(body: unknown): readonly Booking[] {
  const parsed = z.array(recordSchema).safeParse(body);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FibricError('bad_payload', `the booking system's answer: ${issue?.path.join('.')}: ${issue?.message}`);
  }
  return parsed.data.flatMap((record) => {
    const status = STATUS[record.status];
    return status === null ? [] : [{ ...record, status }];
  });
}

export const pms = defineConnector({
  name: 'pms-http',
  summary: 'Bookings of a hotel, read only.',
  auth: auth.bearer({ secret: 'PMS_KEY' }),
  tools: [
    tool({
      capability: 'bookings.read',
      input: inputSchema,
      sideEffecting: false,
      effect: 'absolute_set',
      async run({ input, ctx }) {
        const { from, to } = input as z.output<typeof inputSchema>;
        const body = await ctx.http.get('/v1/bookings', { ...(from && { from }), ...(to && { to }) });
        return { bookings: bookings(body) };
      },
    }),
  ],
});
