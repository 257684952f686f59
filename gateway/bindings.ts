/** Capability and entity → the one device tool that does it: the only indirection between what is wanted and what is wired. */
import type { PointState } from '@fibric/sdk';
import type { Connection, Device, DeviceTool, Point, Site } from './config/site.ts';

export type Resolution =
  | { readonly kind: 'tool'; readonly tool: DeviceTool; readonly device: Device; readonly connection: Connection }
  /** No binding for the capability at all. */
  | { readonly kind: 'unbound' }
  /** Bound, but no device of the bound connections carries the entity and offers the capability. */
  | { readonly kind: 'no_device' };

export interface Bindings {
  resolve(capability: string, entityKey: string): Resolution;
  /** The tool of what was written or leased before, as far as these points go: of a lease some may have been taken over. */
  tool(device: string, capability: string, points: readonly PointState[]): Extract<Resolution, { kind: 'tool' }> | null;
  /** Connection ids of a capability; empty when unbound. */
  bound(capability: string): readonly string[];
  /** A point of an entity; of several devices that carry it, the first. */
  point(entityKey: string, name: string): Point | null;
  /** The physical outputs that a point of an entity stands for: those of every tool that writes it or reads back there. */
  outputs(ref: string): readonly string[];
  /** The one side-effecting capability with this name among all devices' tools, for its schema and keys. */
  capability(name: string): DeviceTool['capability'] | null;
}

export function createBindings(site: Site): Bindings {
  const byEntity = new Map<string, Extract<Resolution, { kind: 'tool' }>>();
  const byDevice = new Map<string, Extract<Resolution, { kind: 'tool' }>>();
  const capabilities = new Map<string, DeviceTool['capability']>();
  const points = new Map<string, Point>();
  const outputs = new Map<string, readonly string[]>();
  for (const connection of site.connections.values()) {
    for (const device of connection.devices) {
      const entity = `${device.entity.kind}:${device.entity.id}`;
      for (const point of device.points)
        if (!points.has(`${entity}/${point.name}`)) points.set(`${entity}/${point.name}`, point);
      for (const tool of device.tools) {
        const found = { kind: 'tool', tool, device, connection } as const;
        byDevice.set(`${device.id}\n${tool.capability.name}`, found);
        capabilities.set(tool.capability.name, tool.capability);
        for (const ref of movedBy(tool).map((point) => `${entity}/${point}`))
          outputs.set(ref, [...(outputs.get(ref) ?? []), ...tool.physical_points]);
        if (!site.bindings.get(tool.capability.name)?.includes(connection.id)) continue;
        byEntity.set(`${tool.capability.name}\n${entity}`, found);
      }
    }
  }
  return {
    resolve(capability, entityKey) {
      if (!site.bindings.has(capability)) return { kind: 'unbound' };
      return byEntity.get(`${capability}\n${entityKey}`) ?? { kind: 'no_device' };
    },
    tool(device, capability, points) {
      const found = byDevice.get(`${device}\n${capability}`);
      return found ? { ...found, tool: asFarAs(found.tool, points) } : null;
    },
    point: (entityKey, name) => points.get(`${entityKey}/${name}`) ?? null,
    outputs: (ref) => outputs.get(ref) ?? [],
    bound: (capability) => site.bindings.get(capability) ?? [],
    capability: (name) => capabilities.get(name) ?? null,
  };
}

/** The part of a tool that moves these points. */
function asFarAs(tool: DeviceTool, points: readonly PointState[]): DeviceTool {
  const moves = (point: string): boolean => points.some((one) => one.point === point);
  if (tool.writes.every(({ point }) => moves(point))) return tool;
  const read = tool.verify?.read.filter(({ written }) => moves(written)) ?? [];
  return {
    ...tool,
    writes: tool.writes.filter(({ point }) => moves(point)),
    verify: tool.verify && read.length > 0 ? { ...tool.verify, read } : null,
    physical_points: tool.physical_points.filter((_, i) => moves(tool.writes[i]?.point ?? '')),
  };
}

/** Where it shows that a tool has acted: the points that it writes, and those that it reads back. */
export const movedBy = ({ writes, verify }: DeviceTool): readonly string[] => [
  ...new Set([...writes, ...(verify?.read ?? [])].map(({ point }) => point)),
];
