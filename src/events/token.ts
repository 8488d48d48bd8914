// A position as listeners carry it: the `id` of a server-sent event, which comes back as `Last-Event-ID`. Called by hub.ts and cmd/.
import { type Position, positionBefore } from '../sql/events.ts';

const SNAPSHOT = String.raw`\d{1,18}:\d{1,18}:(?:\d{1,18}(?:,\d{1,18})*)?`;
const TOKEN = new RegExp(
  `^(?<after>\\d{0,18})_(?<floor>\\d{1,18})_(?<seen>${SNAPSHOT})_(?<upto>(?:${SNAPSHOT})?)$`,
);

export function writeToken({ after, floor, seen, upto }: Position): string {
  return [after ?? '', floor, seen, upto ?? ''].join('_');
}

/** The position behind an event: of what writeToken made, or of the event's own id. Null: it is neither. */
export function readToken(text: string): Position | null {
  if (/^\d{1,18}$/.test(text)) return positionBefore(BigInt(text) + 1n);
  const { after, floor, seen, upto } = TOKEN.exec(text)?.groups ?? {};
  if (floor === undefined || seen === undefined || !isSnapshot(seen)) return null;
  if (upto && !isSnapshot(upto)) return null;
  return { floor, seen, upto: upto || null, after: after || null };
}

/** Whether Postgres would take it: from the first that runs up to the next to come, in order. */
function isSnapshot(text: string): boolean {
  const { xmin, xmax, running } = parse(text);
  const ascending = running.every((xid, at) => at === 0 || xid > running[at - 1]!);
  return xmin > 0n && xmin <= xmax && ascending && running.every((xid) => xid >= xmin && xid < xmax);
}

/** Whether a transaction had committed, or been rolled back, when the snapshot was taken. */
export function isVisible(xid: string, snapshot: string): boolean {
  const { xmin, xmax, running } = parse(snapshot);
  const number = BigInt(xid);
  return number < xmin || (number < xmax && !running.includes(number));
}

/** Whether a snapshot is of a later time than the database has come to: then it was restored from a dump since. */
export function isAhead(snapshot: string, present: string): boolean {
  return parse(snapshot).xmax > parse(present).xmax;
}

function parse(text: string): { xmin: bigint; xmax: bigint; running: bigint[] } {
  const [xmin = '0', xmax = '0', list = ''] = text.split(':');
  return { xmin: BigInt(xmin), xmax: BigInt(xmax), running: list === '' ? [] : list.split(',').map(BigInt) };
}
