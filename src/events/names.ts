// Which events somebody asks for: names, in which `*` stands for anything. The same rule as umbel_event_matches of the database.

/** `flow.*` is everything that begins with `flow.`; null: all. */
export function makeNameFilter(patterns: readonly string[] | null): (name: string) => boolean {
  if (patterns === null) return () => true;
  const parts = patterns.map((pattern) =>
    pattern
      .split('*')
      .map((part) => RegExp.escape(part))
      .join('.*'),
  );
  const either = new RegExp(`^(?:${parts.join('|')})$`, 's');
  return (name) => either.test(name);
}

/** What a pattern may be made of. */
export const PATTERN = '^[A-Za-z0-9_.*-]{1,256}$';
