// "Did you mean": close names for an unknown one. Called by every message about an unknown step, program or setting.

const MOST = 3;
/** Longer names are not compared letter by letter: working out a distance costs by length. */
const LONGEST_COMPARED = 64;
const SHORTEST_CONTAINED = 3;

/** Up to three candidates close to the name, closest first: equal but for case, a few typing errors away, containing it. */
export function nearMatches(name: string, candidates: Iterable<string>): string[] {
  const wanted = name.toLowerCase();
  return [...new Set(candidates)]
    .map((candidate) => ({ candidate, distance: rank(wanted, candidate.toLowerCase()) }))
    .filter(({ distance }) => distance < Infinity)
    .sort((a, b) => a.distance - b.distance || compareText(a.candidate, b.candidate))
    .slice(0, MOST)
    .map(({ candidate }) => candidate);
}

/** ` (did you mean "load" or "lord"?)`, or nothing when no candidate is close. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const near = nearMatches(name, candidates).map((match) => JSON.stringify(match));
  const last = near.pop();
  if (last === undefined) return '';
  return ` (did you mean ${near.length > 0 ? `${near.join(', ')} or ` : ''}${last}?)`;
}

function rank(wanted: string, candidate: string): number {
  if (wanted === candidate) return 0;
  const allowed = Math.min(3, Math.round(wanted.length * 0.4));
  const comparable = Math.max(wanted.length, candidate.length) <= LONGEST_COMPARED;
  if (comparable && Math.abs(wanted.length - candidate.length) <= allowed) {
    const distance = countEdits(wanted, candidate, allowed);
    if (distance <= allowed) return distance;
  }
  return wanted.length >= SHORTEST_CONTAINED && candidate.includes(wanted) ? allowed + 1 : Infinity;
}

/**
 * Insertions, deletions, substitutions and swaps of neighbours that turn one text into the other.
 * Exact up to `most`; more come out as more, because only cells that close to the diagonal are worked out.
 */
function countEdits(from: string, to: string, most: number): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    const end = Math.min(to.length, row + most);
    for (let column = Math.max(1, row - most); column <= end; column += 1) {
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current[column] = Math.min(
        (last[column] ?? Infinity) + 1,
        (current[column - 1] ?? Infinity) + 1,
        (last[column - 1] ?? Infinity) + (from[row - 1] === to[column - 1] ? 0 : 1),
        swapped ? (beforeLast[column - 2] ?? Infinity) + 1 : Infinity,
      );
    }
    beforeLast = last;
    last = current;
  }
  return last[to.length] ?? Infinity;
}

function compareText(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}
