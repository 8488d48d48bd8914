// One row of docs/configuration.md as the table of settings has it; the page is held against it.
import { SETTINGS, type SettingName } from '../../src/config.ts';
import type { Setting } from '../../src/setting.ts';
import { formatDuration } from '../../src/dag/duration.ts';

/** `| setting | flag | default | allowed | meaning |` */
export function formatSettingRow(name: SettingName): string {
  const row: Setting = SETTINGS[name];
  const flag = row.flag === null ? '' : `\`${row.flag}\``;
  return `| \`${row.env}\` | ${flag} | ${defaultOf(row)} | ${row.kind.allowed.replaceAll('|', '\\|')} | ${row.description} |`;
}

function defaultOf(row: Setting): string {
  if (row.defaultText !== undefined) return row.defaultText;
  const isDuration = row.kind.allowed.includes('500ms');
  return `\`${isDuration ? formatDuration(Number(row.default)) : String(row.default)}\``;
}
