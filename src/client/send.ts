// One request of the client, and what becomes of a refusal. Called by client.ts.

export interface ErrorItem {
  message: string;
  /** The HTTP status. */
  code: number;
  /** The name of the error, see docs/errors.md. */
  error: string;
  path?: string;
}

/** The server refused; `errors` has an entry for every problem. */
export class UmbelHttpError extends Error {
  readonly status: number;
  readonly errors: readonly ErrorItem[];

  constructor(status: number, errors: ErrorItem[]) {
    super(
      errors.map(({ path, message }) => (path === undefined ? message : `${path}: ${message}`)).join('; '),
    );
    this.name = 'UmbelHttpError';
    this.status = status;
    this.errors = errors;
  }
}

export interface Answer {
  data: unknown;
  meta: unknown;
}

export type Send = (method: string, path: string[], body?: unknown, query?: object) => Promise<Answer>;

const DEFAULT_URL = 'http://127.0.0.1:8000';

export function makeSend(options: { url?: string; token?: string; fetch?: typeof fetch }): Send {
  const ask = options.fetch ?? fetch;
  const base = (options.url ?? DEFAULT_URL).replace(/\/+$/, '');
  const headers: Record<string, string> = { 'content-type': 'application/json' };
  if (options.token !== undefined) headers['authorization'] = `Bearer ${options.token}`;
  return async (method, path, body, query = {}) => {
    const url = new URL(`${base}/${path.map(encodeURIComponent).join('/')}`);
    for (const [key, value] of Object.entries(query))
      if (value !== undefined) url.searchParams.set(key, String(value));
    const answer = await ask(url, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new UmbelHttpError(answer.status, readErrors(answer.status, text));
    return (text === '' ? { data: null, meta: {} } : JSON.parse(text)) as Answer;
  };
}

/** Something between here and the server may answer in its own form. */
function readErrors(status: number, text: string): ErrorItem[] {
  try {
    const { errors } = JSON.parse(text) as { errors?: ErrorItem[] };
    if (Array.isArray(errors) && errors.length > 0) return errors;
  } catch {
    // Not JSON: the text itself has to do.
  }
  return [{ message: text.slice(0, 500) || `the server answered ${status}`, code: status, error: 'UNKNOWN' }];
}
