/** A profile put on a device of the site: points with their events and limits, tools with the outputs behind them. */
import type { DriverModule, Entity, PointState } from '@fibric/sdk';
import type { Profile, ProfilePoint, ProfileTool } from './profile.ts';
import type { Device, DeviceTool, Point } from './site.ts';

export interface DevicePlace {
  readonly id: string;
  readonly entity: Entity;
  readonly connection: string;
  /** Parsed by the driver's `connection` and `device` schemas. */
  readonly connectionOptions: unknown;
  readonly options: unknown;
  /** What this one device says of itself, beside what its profile says. */
  readonly identity: readonly PointState[];
  /** Site time over real time. */
  readonly speed: number;
}

/** A point that is delivered and says nothing of its time is out of date after this; a polled one after three polls. */
const STALE_MS = 600_000;
/** One lost answer is not an outage. */
const STALE_POLLS = 3;

export function buildDevice(place: DevicePlace, profile: Profile): Device {
  const points = profile.points.map((point) => pointOn(place, point));
  const { id, connection, entity, options } = place;
  return {
    id,
    connection,
    profile: profile.name,
    entity,
    spec: { id, options, points },
    points,
    identity: [...new Map([...profile.identity, ...place.identity].map((state) => [state.point, state])).values()],
    reads: profile.reads,
    tools: profile.tools.map((tool) => toolOn(place, tool, points, profile.driver)),
  };
}

function pointOn(place: DevicePlace, point: ProfilePoint): Point {
  // Polls keep real time: in an accelerated world the values are older, in site time, when they come.
  const polledMs = point.poll_ms === null ? 0 : STALE_POLLS * point.poll_ms * place.speed;
  return {
    name: point.name,
    access: point.access,
    poll_ms: point.poll_ms,
    deadband: point.deadband,
    address: point.address,
    device: place.id,
    unit: point.unit,
    event_type: point.event_type ?? `${place.entity.kind.replaceAll('-', '_')}.${point.name}`,
    plausibility: point.plausibility,
    stale_ms: Math.max(point.stale_ms ?? (point.poll_ms === null ? STALE_MS : 0), polledMs),
  };
}

function toolOn(place: DevicePlace, tool: ProfileTool, points: readonly Point[], driver: DriverModule): DeviceTool {
  const outputs = tool.writes.map(({ point }) => {
    const address = points.find((one) => one.name === point)?.address;
    return driver.physicalPoint(place.connectionOptions, place.options, address);
  });
  return {
    ...tool,
    name: tool.capability.name,
    device: place.id,
    connection: place.connection,
    physical_points: outputs,
  };
}
