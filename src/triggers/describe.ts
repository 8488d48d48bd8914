// Cron expressions in words. Called by schedules.ts.

/** `30 2 * * 1-5` → `At 02:30, Monday through Friday`; the expression itself where no words are known for it. */
export async function describeCron(cron: string): Promise<string> {
  // Loaded only where somebody asks.
  const { default: cronstrue } = await import('cronstrue');
  try {
    // The library writes the last one of a weekday without "#".
    return cronstrue.toString(cron.replaceAll(/#L\b/gi, 'L'), { use24HourTimeFormat: true });
  } catch {
    return cron;
  }
}
