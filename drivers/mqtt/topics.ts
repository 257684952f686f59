/** Topic names and filters: their grammar (MQTT 3.1.1 §4.7) and how a point's topic is made from its device's. */

/** Deeper than any naming scheme in use; the matcher's work on a hostile topic stays bounded. */
export const TOPIC_LEVELS = 100;
/** MQTT 3.1.1 §1.5.3: a string's length stands in two bytes. */
const TOPIC_BYTES = 65_535;

const DEVICE = '{topic}';

/** What is wrong with `text` as a topic filter, or null. */
export function filterFault(text: string): string | null {
  if (text === '') return 'a topic has at least one character';
  if (text.includes('\0')) return 'a topic has no NUL character';
  if (Buffer.byteLength(text) > TOPIC_BYTES) return `a topic has at most ${TOPIC_BYTES} bytes`;
  const levels = text.split('/');
  if (levels.length > TOPIC_LEVELS) return `a topic has at most ${TOPIC_LEVELS} levels`;
  for (const [i, level] of levels.entries()) {
    if (level.includes('+') && level !== '+') return `+ stands for a whole level, not for a part of '${level}'`;
    if (level.includes('#') && level !== '#') return `# stands for whole levels, not for a part of '${level}'`;
    if (level === '#' && i < levels.length - 1) return '# is the last level of a filter';
  }
  return null;
}

/** What is wrong with `text` as the name of one topic, or null. */
export function nameFault(text: string): string | null {
  return /[+#]/.test(text) ? 'a command goes to one topic: no + or #' : filterFault(text);
}

/**
 * The full topic of a point: below its device's topic, or wherever `{topic}` stands in it for the device's topic
 * (`stat/{topic}/POWER`). Left out, it is the device's topic itself.
 */
export function pointTopic(device: string, point: string | undefined): string {
  if (point === undefined) return device;
  return point.includes(DEVICE) ? point.replaceAll(DEVICE, () => device) : `${device}/${point}`;
}
