// `umbel doctor`: finds what holds work up, or will. Ends with 0 when there is no problem, else with 1.
import { Command } from 'commander';
import { SETTINGS, type Settings } from '../src/config.ts';
import { examine } from '../src/registrar/doctor.ts';
import type { Finding } from '../src/registrar/finding.ts';
import { openDatabase } from '../src/sql/database.ts';
import { findDatabaseUrl } from './database.ts';
import { EXIT, guarded } from './exit.ts';
import { addSettings, settingsOf } from './settings.ts';

export function doctorCommand(): Command {
  const command = new Command('doctor')
    .description('find what holds work up, and what to do about it; exit code 1 when there is a problem')
    .option('--json', 'as JSON')
    .action(guarded(runDoctor));
  return addSettings(command, ['publicUrl', 'host', 'port']);
}

async function runDoctor(this: Command, { json }: { json?: boolean }): Promise<void> {
  const findings = await findAll(this, settingsOf(this));
  process.stdout.write(json ? `${JSON.stringify({ findings }, null, 2)}\n` : formatFindings(findings));
  process.exitCode = findings.some(({ level }) => level === 'problem') ? EXIT.failure : EXIT.ok;
}

async function findAll(command: Command, settings: Settings): Promise<Finding[]> {
  const url = await findDatabaseUrl(settings).catch((error: unknown) => error as Error);
  if (url instanceof Error) {
    return [{ level: 'problem', check: 'database', what: url.message, remedy: 'umbel up, or DATABASE_URL' }];
  }
  const db = openDatabase({ url, max: 1, applicationName: 'umbel doctor' });
  try {
    return await examine({ db, serverUrl: namesServer(command) ? settings.publicUrl : undefined });
  } finally {
    await db.close();
  }
}

/** A register server is looked for only where somebody said that there is one. */
function namesServer(command: Command): boolean {
  const flags = command.optsWithGlobals<Record<string, unknown>>();
  return (['publicUrl', 'host', 'port'] as const).some(
    (name) => flags[name] !== undefined || Boolean(process.env[SETTINGS[name].env]),
  );
}

function formatFindings(findings: Finding[]): string {
  if (findings.length === 0) return 'All is well.\n';
  return findings
    .map(({ level, check, what, remedy }) => `${level} (${check}): ${what}\n  → ${remedy}\n`)
    .join('');
}
