// `umbel sql`: runs SQL from the command line, a file or standard input and prints what comes back, as psql does.
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { Command } from 'commander';
import { messageOf, UmbelError } from '../src/errors.ts';
import { runScript, type ScriptResult } from '../src/sql/script.ts';
import { findDatabaseUrl } from './database.ts';
import { guarded } from './exit.ts';
import { addSettings, settingsOf } from './settings.ts';
import { formatCsv, formatJson, formatTable } from './table.ts';

interface SqlFlags {
  file?: string;
  json?: boolean;
  csv?: boolean;
}

export function sqlCommand(): Command {
  const command = new Command('sql')
    .description('run SQL on the database and print the results')
    .argument('[statement]', 'one or several statements; without it and -f, standard input is read')
    .option('-f, --file <file>', 'read the statements from a file; - is standard input')
    .option('--json', 'print rows as JSON')
    .option('--csv', 'print rows as CSV')
    .addHelpText('after', '\nSeveral statements are one transaction: when one fails, none has happened.')
    .action(guarded(runSql));
  return addSettings(command);
}

async function runSql(this: Command, statement: string | undefined, flags: SqlFlags): Promise<void> {
  const url = await findDatabaseUrl(settingsOf(this));
  const script = await readScript(statement, flags.file);
  const onNotice = (line: string) => console.error(line);
  const results = await runScript(url, script, { parsed: flags.json ?? false, onNotice });
  process.stdout.write(results.map((result) => format(result, flags)).join(''));
}

async function readScript(statement: string | undefined, file: string | undefined): Promise<string> {
  if (statement !== undefined && file !== undefined)
    throw usage('a statement and --file cannot be given both');
  if (statement !== undefined) return statement;
  if (file === undefined && process.stdin.isTTY)
    throw usage('give a statement, -f FILE, or SQL on standard input');
  if (file === undefined || file === '-') return readAll(process.stdin);
  return readFile(file, 'utf8').catch((cause: unknown) => {
    throw usage(`--file: ${messageOf(cause)}`);
  });
}

function format({ tag, columns, rows }: ScriptResult, { json, csv }: SqlFlags): string {
  const returnsRows = columns.length > 0;
  if (json) return returnsRows ? `${formatJson(columns, rows)}\n` : '';
  if (csv) return returnsRows ? formatCsv(columns, rows) : '';
  const table = returnsRows ? `${formatTable(columns, rows)}\n` : '';
  return tag.startsWith('SELECT') ? table : `${table}${tag}\n`;
}

function usage(problem: string): UmbelError {
  return new UmbelError('CONFIG_INVALID', { problems: [problem] });
}
