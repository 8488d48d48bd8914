// Rows as text for a terminal or another program: the aligned table that psql prints, CSV, JSON.
// Used by the commands that list things.

export interface Column {
  name: string;
  /** Numbers stand at the right. */
  isNumber?: boolean;
}

/** psql's aligned table with its `(n rows)`. Null is empty; line breaks go on in the next line after a `+`. */
export function formatTable(columns: Column[], rows: unknown[][]): string {
  const cells = rows.map((row) => columns.map((_, at) => toLines(row[at])));
  const widths = columns.map(({ name }, at) =>
    Math.max(widthOf(name), ...cells.flatMap((row) => (row[at] ?? []).map(widthOf))),
  );
  const head = columns.map(({ name }, at) => ` ${center(name, widths[at] ?? 0)} `).join('|');
  const rule = widths.map((width) => '-'.repeat(width + 2)).join('+');
  const body = cells.flatMap((row) => formatRow(columns, widths, row));
  return [head, rule, ...body, `(${rows.length} row${rows.length === 1 ? '' : 's'})`, ''].join('\n');
}

/** RFC 4180, with a header line. Null is an empty field, empty text a quoted one. */
export function formatCsv(columns: Column[], rows: unknown[][]): string {
  const lines = [columns.map(({ name }) => name), ...rows].map((row) => row.map(toCsvField).join(','));
  return `${lines.join('\r\n')}\r\n`;
}

/** One JSON array of objects, keyed by column name. */
export function formatJson(columns: Column[], rows: unknown[][]): string {
  return JSON.stringify(
    rows.map((row) => Object.fromEntries(columns.map(({ name }, at) => [name, row[at]]))),
    null,
    2,
  );
}

function formatRow(columns: Column[], widths: number[], row: string[][]): string[] {
  const height = Math.max(1, ...row.map((lines) => lines.length));
  return Array.from({ length: height }, (_, line) =>
    row
      .map((lines, at) => {
        const padded = pad(lines[line] ?? '', widths[at] ?? 0, columns[at]?.isNumber ?? false);
        return ` ${padded}${line < lines.length - 1 ? '+' : ' '}`;
      })
      .join('|')
      .trimEnd(),
  );
}

/** Control characters are spelled out: a stored escape sequence must not steer the reader's terminal. */
function toLines(value: unknown): string[] {
  if (value === null || value === undefined) return [''];
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text
    .replaceAll('\r\n', '\n')
    .replaceAll('\t', '    ')
    .split('\n')
    .map((line) => line.replaceAll(/\p{Cc}/gu, (c) => `\\x${c.charCodeAt(0).toString(16).padStart(2, '0')}`));
}

function toCsvField(value: unknown): string {
  if (value === null || value === undefined) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function pad(text: string, width: number, right: boolean): string {
  const space = ' '.repeat(width - widthOf(text));
  return right ? space + text : text + space;
}

function center(text: string, width: number): string {
  const space = width - widthOf(text);
  return ' '.repeat(Math.floor(space / 2)) + text + ' '.repeat(Math.ceil(space / 2));
}

/** Columns on a terminal: combining marks take none, East Asian wide characters and emoji two. */
function widthOf(text: string): number {
  let width = 0;
  for (const character of text) {
    if (/\p{Mark}|\p{Cf}/u.test(character)) continue;
    width +=
      /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u.test(
        character,
      )
        ? 2
        : 1;
  }
  return width;
}
