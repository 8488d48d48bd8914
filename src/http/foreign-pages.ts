// Keeps pages of other sites from using a server that everybody on this machine may use: a browser sends requests for any page that
// it shows, and a name of that site's own may lead to this machine. Called by permissions.ts for every route that is not public.
import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

const READS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Why the request is refused; null when it is not. `hosts`: names under which the server is known; undefined: any. */
export function findForeignPage(
  method: string,
  headers: IncomingHttpHeaders,
  hosts: ReadonlySet<string> | undefined,
): string | null {
  if (headers['sec-fetch-site'] === 'cross-site' && !READS.has(method))
    return 'a page of another site sent it';
  const name = hosts === undefined ? undefined : nameOf(headers.host);
  if (name === undefined || hosts?.has(name) === true || isOwnName(name)) return null;
  return `it was sent to "${name}"; set PUBLIC_URL if that is this server's name`;
}

/** Without its port, in lower case; undefined: none was sent, as no browser does. */
function nameOf(host: string | undefined): string | undefined {
  return host
    ?.toLowerCase()
    .replace(/:\d*$/, '')
    .replace(/^\[(.*)\]$/, '$1');
}

/** An address leads where it says; only a name can be made to lead elsewhere. */
function isOwnName(name: string): boolean {
  return isIP(name) !== 0 || name === 'localhost' || name.endsWith('.localhost');
}
