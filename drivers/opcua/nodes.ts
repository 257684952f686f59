/**
 * From names to nodes, anew at every connect: a namespace is named by its URI because its index may be another one after a
 * restart of the server (OPC 10000-3 clause 8.2.2), and a node is written with the type it has now.
 */
import type { PlannedPoint } from './plan.ts';
import { nameOf } from './quality.ts';
import { AttributeIds, type ClientSession, DataType, findSuperType, type NodeId, resolveNodeId } from './ua.ts';

/** Namespace 0 (OPC 10000-6 annex A): Server_NamespaceArray and the OperationLimits of the server. */
const NAMESPACE_ARRAY = 'i=2255';
const MAX_NODES_PER_READ = 'i=11705';
const MAX_MONITORED_ITEMS_PER_CALL = 'i=11714';
/** What is asked for at once where the server names no limit of its own. */
const OPERATIONS_AT_ONCE = 1_000;

/** A point's place on the server as it is now. */
export interface Node {
  readonly id: NodeId;
  /** The built-in type it is written with; null when it has none that a point can hold, arrays included. */
  readonly type: DataType | null;
  /** `BadNodeIdUnknown` when the server does not have it, else null. */
  readonly trouble: string | null;
}

export interface Nodes {
  /** By the point's key; a point whose namespace the server does not have is not in it. */
  readonly byKey: ReadonlyMap<string, Node>;
  readonly namespaces: readonly string[];
  readonly readsAtOnce: number;
  readonly itemsAtOnce: number;
}

/** `list` in pieces of at most `size`. */
export function pieces<T>(list: readonly T[], size: number): T[][] {
  const count = Math.ceil(list.length / size);
  return Array.from({ length: count }, (_, i) => list.slice(i * size, (i + 1) * size));
}

function limit(value: unknown): number {
  return typeof value === 'number' && value > 0 ? Math.min(value, OPERATIONS_AT_ONCE) : OPERATIONS_AT_ONCE;
}

/** Built-in types stand in namespace 0 as 1 to 23; Enumeration (29) travels as Int32 (OPC 10000-6 clause 5.2.4). */
async function builtInType(session: ClientSession, id: NodeId, depth = 0): Promise<DataType | null> {
  if (id.namespace === 0 && typeof id.value === 'number') {
    if (id.value === 29) return DataType.Int32;
    if (id.value >= 1 && id.value <= 23) return DataType[DataType[id.value] as keyof typeof DataType];
    // BaseDataType, Number, Integer and UInteger leave the choice to the value.
    if (id.value === 24 || (id.value >= 26 && id.value <= 28)) return null;
  }
  return depth > 10 ? null : builtInType(session, await findSuperType(session, id), depth + 1);
}

/** The type of a node: as declared, or that of its present value when the declaration leaves it open. */
async function typeOf(session: ClientSession, nodeId: NodeId, declared: NodeId): Promise<DataType | null> {
  const type = await builtInType(session, declared);
  if (type !== null) return type;
  const present = await session.read({ nodeId, attributeId: AttributeIds.Value });
  return present.value?.dataType ?? null;
}

async function describe(session: ClientSession, ids: readonly NodeId[]): Promise<readonly Node[]> {
  const values = await session.read(
    ids.flatMap((nodeId) =>
      [AttributeIds.DataType, AttributeIds.ValueRank].map((attributeId) => ({ nodeId, attributeId })),
    ),
  );
  return Promise.all(
    ids.map(async (id, i): Promise<Node> => {
      const [dataType, rank] = values.slice(2 * i, 2 * i + 2);
      const status = dataType === undefined ? 'BadNodeIdUnknown' : nameOf(dataType.statusCode);
      if (status.startsWith('BadNodeId')) return { id, type: null, trouble: status };
      const declared = dataType?.value?.value as NodeId | null | undefined;
      // ValueRank: -1 scalar, -2 any, -3 scalar or one dimension, 0 and above arrays (OPC 10000-3 clause 5.6.2).
      const scalar = ((rank?.value?.value ?? -1) as number) < 0;
      return { id, type: declared && scalar ? await typeOf(session, id, declared) : null, trouble: null };
    }),
  );
}

/** Finds the nodes of the points and what they are. */
export async function findNodes(session: ClientSession, points: readonly PlannedPoint[]): Promise<Nodes> {
  const [array, reads, items] = await session.read(
    [NAMESPACE_ARRAY, MAX_NODES_PER_READ, MAX_MONITORED_ITEMS_PER_CALL].map((nodeId) => ({
      nodeId,
      attributeId: AttributeIds.Value,
    })),
  );
  const namespaces = Array.from((array?.value?.value ?? []) as ArrayLike<string>);
  const readsAtOnce = limit(reads?.value?.value);
  const byKey = new Map<string, Node>();
  const placed = points.flatMap((point) => {
    const index = namespaces.indexOf(point.namespace);
    return index < 0 ? [] : [{ key: point.key, id: resolveNodeId(`ns=${index};${point.identifier}`) }];
  });
  for (const piece of pieces(placed, Math.max(1, Math.floor(readsAtOnce / 2)))) {
    const nodes = await describe(
      session,
      piece.map(({ id }) => id),
    );
    piece.forEach(({ key }, i) => byKey.set(key, nodes[i] as Node));
  }
  return { byKey, namespaces, readsAtOnce, itemsAtOnce: limit(items?.value?.value) };
}

/** The points that have no node on the server, each with a sentence saying what is missing. */
export function unplaced(
  points: readonly PlannedPoint[],
  nodes: Nodes,
): readonly { readonly point: PlannedPoint; readonly why: string }[] {
  return points.flatMap((point) => {
    const node = nodes.byKey.get(point.key);
    if (node === undefined) return [{ point, why: `the server has no namespace ${point.namespace}` }];
    return node.trouble === null
      ? []
      : [{ point, why: `the server has no node ${node.id.toString()}: ${node.trouble}` }];
  });
}
