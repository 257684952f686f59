/** The event log: newest first by cursor, in order from `after` on, and as a live stream (WHATWG HTML §9.2, server-sent events). */
import type { IncomingHttpHeaders } from 'node:http';
import { type Clock, FibricError } from '@fibric/sdk';
import type { FastifyInstance } from 'fastify';
import { z } from 'zod';
import type { EventReader, StoredEvent } from '../../journal/types.ts';
import {
  afterShape,
  type Cursors,
  cursorsFor,
  eventsBefore,
  eventsFrom,
  type List,
  type Look,
  pageOf,
  pageShape,
} from '../pages.ts';
import { streamEvents } from '../stream.ts';
import type { GatewayView } from '../view.ts';

const eventType = z
  .string()
  .regex(/^[a-z*][a-z0-9_*]*(\.[a-z*][a-z0-9_*]*)+$/, 'expected an event type or a glob such as zone.*')
  .optional();
const listQuery = z.strictObject({ ...pageShape, ...afterShape, event_type: eventType });
const streamQuery = z.strictObject({ cursor: afterShape.after, event_type: eventType });

const onWire = (event: StoredEvent) => ({ object: 'event', ...event.envelope, cursor: event.cursor, at: event.at });
type WireEvent = ReturnType<typeof onWire>;
type ListQuery = z.infer<typeof listQuery>;

export function eventRoutes(app: FastifyInstance, view: GatewayView, clock: Clock): void {
  const { events } = view;
  const open = new Set<AbortController>();

  app.get('/v1/events', async (request) => {
    const query = listQuery.parse(request.query);
    return query.after === undefined
      ? newestEvents(events, query)
      : eventsInOrder(events, { ...query, after: query.after });
  });

  app.get<{ Params: { id: string } }>('/v1/events/:id', async (request) => {
    const event = events.event(request.params.id);
    if (event === null) throw new FibricError('not_found', `no event '${request.params.id}'`);
    return onWire(event);
  });

  // A HEAD request would wait for an end that a stream does not have.
  app.get('/v1/events/stream', { exposeHeadRoute: false }, async (request, reply) => {
    const query = streamQuery.parse(request.query);
    const from = query.cursor ?? lastSeen(events, request.headers) ?? events.head();
    reply.hijack();
    const stop = new AbortController();
    open.add(stop);
    reply.raw.once('close', () => stop.abort());
    await streamEvents({ events, clock, from, type: query.event_type, out: reply.raw, signal: stop.signal });
    open.delete(stop);
  });

  // A5: an open stream would keep close() waiting for ever.
  app.addHook('preClose', async () => {
    for (const stop of open) stop.abort();
  });
}

/** Where a client that reconnects by itself had got to: `Last-Event-ID` holds an event id. */
function lastSeen(events: EventReader, headers: IncomingHttpHeaders): number | undefined {
  const id = headers['last-event-id'];
  if (typeof id !== 'string' || id === '') return undefined;
  const event = events.event(id);
  if (event === null) throw new FibricError('invalid_cursor', `event '${id}' is no longer in the log`);
  return event.cursor;
}

function newestEvents(events: EventReader, query: ListQuery): List<WireEvent> {
  const cursors = cursorsFor('events', { event_type: query.event_type ?? null });
  const from = Number(cursors.read(query.cursor) ?? events.head() + 1);
  return eventPage(eventsBefore(events, { from, limit: query.limit, type: query.event_type }), query, cursors);
}

function eventsInOrder(events: EventReader, query: ListQuery & { readonly after: number }): List<WireEvent> {
  const cursors = cursorsFor('events', { event_type: query.event_type ?? null, order: 'written' });
  const from = Number(cursors.read(query.cursor) ?? query.after);
  return eventPage(eventsFrom(events, { from, limit: query.limit, type: query.event_type }), query, cursors);
}

/** A look that ended early is a short page with more behind it. */
function eventPage(look: Look, query: ListQuery, cursors: Cursors): List<WireEvent> {
  const page = pageOf(look.rows.map(onWire), { limit: query.limit, cursors, position: (row) => row.cursor });
  if (page.has_more || look.reached === null) return page;
  return { ...page, has_more: true, next_cursor: cursors.write(look.reached) };
}
