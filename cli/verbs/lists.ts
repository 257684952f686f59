/** What the site is made of: connectors, capabilities, devices. */
import type { CapabilityView, ConnectorView, DeviceView } from '@fibric/gateway/api/view';
import type { Probe } from '@fibric/sdk';
import { type Call, EXIT, type ExitCode } from '../call.ts';
import { connect } from '../client.ts';
import { document, line, list, state } from '../print.ts';

export async function connectors(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<ConnectorView>('/v1/connectors'),
    json: options.json === true,
    limit: options.limit,
    head: ['CONNECTOR', 'PROTOCOL', 'ENDPOINT', 'DEVICES', 'STATUS', 'DETAIL'],
    row: (one) => [one.id, one.protocol, one.endpoint, one.devices, state(io, one.status), one.detail],
  });
  return EXIT.done;
}

export async function testConnector(call: Call): Promise<ExitCode> {
  const { io } = call;
  const id = call.args[0] ?? '';
  const client = await connect(call);
  const probe = await client.post<Probe & { readonly connector: string }>(
    `/v1/connectors/${encodeURIComponent(id)}/test`,
  );
  const took = probe.latency_ms === null ? '' : ` in ${Math.round(probe.latency_ms)} ms`;
  if (call.options.json) document(io, probe);
  else line(io, `${id}  ${state(io, probe.status)}${took}: ${probe.detail}`);
  return probe.status === 'connected' ? EXIT.done : EXIT.failed;
}

export async function capabilities(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<CapabilityView>('/v1/capabilities'),
    json: options.json === true,
    limit: options.limit,
    head: ['CAPABILITY', 'CONNECTOR', 'STATUS', 'KIND', 'ENTITIES', 'REQUIRED BY'],
    row: (one) => [
      one.capability,
      one.connections.join(', ') || null,
      state(io, one.status),
      one.side_effecting ? 'write' : 'read',
      one.entities.length,
      one.operators.join(', ') || null,
    ],
  });
  return EXIT.done;
}

export async function devices(call: Call): Promise<ExitCode> {
  const { io, options } = call;
  await list(io, {
    rows: (await connect(call)).all<DeviceView>('/v1/devices'),
    json: options.json === true,
    limit: options.limit,
    head: ['DEVICE', 'ENTITY', 'CONNECTOR', 'PROFILE', 'POINTS', 'NOT GOOD', 'CAPABILITIES'],
    row: (one) => [
      one.id,
      one.entity_key,
      one.connection,
      one.profile,
      one.points,
      one.points_not_good,
      one.capabilities.join(', '),
    ],
  });
  return EXIT.done;
}
