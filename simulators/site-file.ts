/** The site file of a simulated site, written into its data folder: the gateway reads it like any other. */
import { isoTime } from '@fibric/sdk';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseDocument, stringify } from 'yaml';
import type { Timeline } from './clock.ts';
import { officeTopic, officeUnits } from './office-world.ts';
import type { Ports } from './ports.ts';

const HEAD = '# Written by `npm start` each time it starts; changes made here are lost.\n';

export interface SimulatedSite {
  readonly root: string;
  readonly world: string;
  readonly timeline: Timeline;
  readonly ports: Ports;
}

function simulationOf({ world, timeline }: SimulatedSite): Readonly<Record<string, unknown>> {
  return {
    world,
    speed: timeline.speed,
    epoch: isoTime(timeline.epochMs),
    started: isoTime(timeline.startedMs),
  };
}

function policyPath(root: string): string {
  return join(root, 'operators/comfort/policy.yaml');
}

/** `config/hotel.yaml` with this run's ports, pace and paths. */
export function hotelSiteFile(template: string, site: SimulatedSite): string {
  const { ports } = site;
  const document = parseDocument(template);
  const set = (path: readonly string[], value: unknown): void => document.setIn(path, document.createNode(value));
  set(['gateway', 'listen'], `127.0.0.1:${ports.api}`);
  set(['gateway', 'data'], '.');
  set(['connections', 'field', 'url'], `mqtt://127.0.0.1:${ports.mqtt}`);
  set(['connections', 'fcu', 'url'], `tcp://127.0.0.1:${ports.modbus}`);
  set(['connections', 'plant', 'url'], `opc.tcp://127.0.0.1:${ports.opcua}`);
  set(['connections', 'pms', 'url'], `http://127.0.0.1:${ports.bookings}`);
  set(['upstream', 'to'], `http://127.0.0.1:${ports.upstream}`);
  set(['operators', 'comfort', 'policy'], policyPath(site.root));
  set(['operators', 'person', 'policy'], join(site.root, 'config/persons.yaml'));
  set(['simulation'], simulationOf(site));
  return HEAD + document.toString({ lineWidth: 0 });
}

/** A site of one sensor and one thermostat a room. */
export function officeSiteFile(rooms: readonly string[], timezone: string, site: SimulatedSite): string {
  const { ports } = site;
  const devices = [...officeUnits(rooms)].flatMap(([room, unit]) => [
    {
      id: `sensor-${room}`,
      connection: 'field',
      topic: officeTopic(room),
      profile: 'office-sensor',
      entity: `zone:${room}`,
    },
    { id: `thermostat-${room}`, connection: 'thermostats', unit, profile: 'thermostat', entity: `zone:${room}` },
  ]);
  const yaml = stringify(
    {
      site: { tenant: 't_local', workspace: 'ws_office', name: 'Recorded office', timezone },
      simulation: simulationOf(site),
      gateway: { listen: `127.0.0.1:${ports.api}`, data: '.' },
      connections: {
        field: { driver: 'mqtt', url: `mqtt://127.0.0.1:${ports.mqtt}` },
        thermostats: { driver: 'modbus', url: `tcp://127.0.0.1:${ports.modbus}`, timeout: '1s' },
      },
      devices,
      bindings: {
        'occupancy.read': ['field'],
        'climate.read': ['field', 'thermostats'],
        'hvac.setpoint': ['thermostats'],
      },
      operators: { comfort: { mode: 'live', policy: policyPath(site.root) } },
      models: { 'router:reasoning': [{ provider: 'rules' }] },
    },
    { lineWidth: 0 },
  );
  return HEAD + yaml;
}

/** Writes the site file into the data folder and returns its path. */
export function writeSiteFile(data: string, yaml: string): string {
  const path = siteFilePath(data);
  writeFileSync(path, yaml);
  return path;
}

export function siteFilePath(data: string): string {
  return join(data, 'site.yaml');
}
