// What a flow gets as the input of an execution that its webhook started. Pure. Called by http/routes/hooks.ts.
import type { Json, JsonObject } from '../dag/vocabulary.ts';

export interface HookCall {
  method: 'GET' | 'POST';
  /** Path and query, as they came. */
  url: string;
  headers: JsonObject;
  query: JsonObject;
  /** null for GET, whose query takes its place. */
  body: Json;
  requestId: string;
}

export function makeHookMessage(
  { method, url, headers, query, body, requestId }: HookCall,
  now: Date,
): JsonObject {
  const content = method === 'GET' ? query : body;
  return {
    headers,
    query,
    body: content,
    method,
    url,
    pathSuffix: suffixOf(url),
    metadata: { requestId, receivedAt: now.toISOString() },
    // Where components of Open Integration Hub look for it.
    data: content,
  };
}

/** What follows `/hook/{flow}` in the path, as it came: `/orders/7`, or nothing. */
function suffixOf(url: string): string {
  const [path = ''] = url.split(/[?#]/, 1);
  const at = path.indexOf('/', '/hook/'.length);
  return at === -1 ? '' : path.slice(at);
}
