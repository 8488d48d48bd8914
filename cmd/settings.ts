// The table of settings as flags of a command, and their values once the command runs.
import type { Command } from 'commander';
import { readSettings } from '../src/config-read.ts';
import { SETTINGS, type SettingName, type Settings } from '../src/config.ts';
import type { Setting } from '../src/setting.ts';

/** What every command that touches the database takes. */
const COMMON = ['databaseUrl', 'dataDir', 'logLevel', 'logFormat'] as const satisfies SettingName[];

/** Gives a command the flags of these settings, besides the common ones. Defaults stay with the table. */
export function addSettings(command: Command, names: SettingName[] = []): Command {
  for (const name of [...names, ...COMMON]) {
    const row: Setting = SETTINGS[name];
    const otherwise = row.defaultText ?? String(row.default);
    if (row.flag)
      command.option(row.flag, `${row.description} (${row.env}; default: ${otherwise})`.replaceAll('`', ''));
  }
  return command;
}

/** The settings of a command that is running. Throws CONFIG_INVALID. */
export function settingsOf(command: Command): Settings {
  return readSettings({
    flags: command.optsWithGlobals(),
    env: process.env,
    cwd: process.cwd(),
    terminal: process.stderr.isTTY,
    serves: command.options.some((option) => option.attributeName() === 'host'),
  });
}
