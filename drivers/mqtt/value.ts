/** From what a device says to a point's value, and back to what it wants to hear. */
import { LIMITS, type PointValue } from '@fibric/sdk';
import type { MqttAddress } from './schema.ts';

type Value = Exclude<PointValue, null>;

/** Null: the wrong type, or a word that the map does not know. */
export type Convert = (raw: unknown) => Value | null;
/** Null: a value that the device has no word for. */
export type Encode = (value: Value) => string | null;

const NUMBER = /^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$/;

function finite(raw: unknown): number | null {
  return typeof raw === 'number' && Number.isFinite(raw) ? raw : null;
}

function isScalar(raw: unknown): raw is Value {
  return typeof raw === 'string' || typeof raw === 'number' || typeof raw === 'boolean';
}

/** Scaling must not turn 21.3 into 21.300000000000001: twelve digits are more than any device has. */
function tidy(value: number): number | null {
  return finite(Number(value.toPrecision(12)));
}

/** How the value found in a payload becomes the point's. */
export function converter(address: MqttAddress): Convert {
  const { map, above, scale = 1, offset = 0 } = address;
  if (map) {
    const words = new Map<string, Value>(Object.entries(map));
    return (raw) => (isScalar(raw) ? (words.get(String(raw)) ?? null) : null);
  }
  if (above !== undefined) return (raw) => (finite(raw) === null ? null : (raw as number) > above);
  if (address.type === 'boolean') return (raw) => (typeof raw === 'boolean' ? raw : null);
  if (address.type === 'string') {
    return (raw) => (typeof raw === 'string' && raw.length <= LIMITS.textChars ? raw : null);
  }
  if (scale === 1 && offset === 0) return finite;
  return (raw) => (finite(raw) === null ? null : tidy((raw as number) * scale + offset));
}

/** A payload that is not JSON but the value itself, as JSON would have given it. */
export function bareValue(address: MqttAddress, payload: string): unknown {
  const text = payload.trim();
  if (address.map) return text;
  if (address.type === 'string') return unquoted(payload);
  if (address.type === 'boolean' && address.above === undefined)
    return text === 'true' ? true : text === 'false' ? false : text;
  return NUMBER.test(text) ? Number(text) : text;
}

/** A bare text may come with or without JSON's quotes. */
function unquoted(text: string): string {
  if (!text.startsWith('"')) return text;
  try {
    const parsed: unknown = JSON.parse(text);
    return typeof parsed === 'string' ? parsed : text;
  } catch {
    return text;
  }
}

/** How a value becomes the payload of a command. */
export function encoder(address: MqttAddress): Encode {
  const word = wordFor(address);
  const template = address.set?.payload;
  if (template === undefined) return (value) => bare(word(value));
  const write = writerInto(template);
  return (value) => {
    const raw = word(value);
    return raw === null ? null : template.replaceAll('{value}', () => write(raw));
  };
}

function bare(raw: Value | null): string | null {
  return raw === null ? null : String(raw);
}

/** How a value is written where `{value}` stands: as a JSON value, inside a JSON text, or plainly. */
function writerInto(template: string): (value: Value) => string {
  if (parses(template.replaceAll('{value}', '""'))) return JSON.stringify;
  if (parses(template.replaceAll('{value}', ''))) return (value) => JSON.stringify(String(value)).slice(1, -1);
  return String;
}

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The inverse of `converter`. */
function wordFor(address: MqttAddress): (value: Value) => Value | null {
  const { map, type, scale = 1, offset = 0 } = address;
  if (map) {
    const words = new Map(Object.entries(map).map(([word, value]) => [value, word]));
    return (value) => words.get(value) ?? null;
  }
  return (value) => {
    if (typeof value !== type) return null;
    if (typeof value !== 'number') return value;
    return scale === 1 && offset === 0 ? finite(value) : tidy((value - offset) / scale);
  };
}
