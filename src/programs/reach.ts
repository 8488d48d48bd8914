// Which hosts the HTTP programs may call: every public address, and of the others those that are listed.
// Asked by outbound.ts for addresses in URLs, and by its connections for those that a name stands for.
import { lookup as resolve } from 'node:dns';
import { BlockList, isIP, isIPv6, type LookupFunction } from 'node:net';

export interface Reach {
  /** Whether a URL's host may be called; a name that is not listed may, as its addresses are checked when it connects. */
  permits(hostname: string): boolean;
  /** Finds the addresses of a name, once, and gives those that may be called; none: an error with `code` NOT_PERMITTED. */
  lookup: LookupFunction;
}

export const NOT_PERMITTED = 'NOT_PERMITTED';

const WIDTH = { ipv4: 32, ipv6: 128 };

/** What is not a public address: https://www.iana.org/assignments/iana-ipv4-special-registry and its IPv6 sister. */
const RESERVED = makeList([
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/3',
  // Of IPv6 only 2000::/3 is public, and there not what carries an IPv4 address (Teredo, 6to4) or is for documents.
  '::/3',
  '2001::/23',
  '2001:db8::/32',
  '2002::/16',
  '3fff::/20',
  '4000::/2',
  '8000::/1',
]);

/** Where clouds hand out credentials to whoever asks from within; a listed network does not open these. */
const METADATA = makeList([
  '169.254.0.0/16',
  '100.100.100.200',
  '168.63.129.16',
  '192.0.0.192',
  'fd00:ec2::/32',
  'fd20:ce::254',
]);

/** `allow`: host names, addresses, and networks such as `10.0.0.0/8`. */
export function makeReach(allow: readonly string[]): Reach {
  const isNumeric = (entry: string) => isIP(entry.split('/')[0] ?? '') !== 0;
  const names = new Set(allow.filter((entry) => !isNumeric(entry)).map((name) => name.toLowerCase()));
  const addresses = makeList(allow.filter((entry) => isIP(entry) !== 0));
  const networks = makeList(allow.filter((entry) => isNumeric(entry) && isIP(entry) === 0));
  const mayReach = (address: string) =>
    isIn(addresses, address) ||
    (!isIn(METADATA, address) && (isIn(networks, address) || !isIn(RESERVED, address)));
  return {
    permits(hostname) {
      const address = hostname.replace(/^\[|\]$/g, '');
      return isIP(address) === 0 || mayReach(address);
    },
    lookup: (hostname, options, callback) =>
      resolve(hostname, { ...options, all: true }, (error, found) => {
        if (error) return callback(error, []);
        const isListed = names.has(hostname.replace(/\.$/, ''));
        const permitted = isListed ? found : found.filter(({ address }) => mayReach(address));
        const [first] = permitted;
        if (!first) return callback(refusal(hostname), []);
        if (options.all) callback(null, permitted);
        else callback(null, first.address, first.family);
      }),
  };
}

/** One list a family: a BlockList would find every IPv4 address, as ::ffff:10.0.0.1, in `::/0`. */
type List = Record<'ipv4' | 'ipv6', BlockList>;

function makeList(entries: readonly string[]): List {
  const list = { ipv4: new BlockList(), ipv6: new BlockList() };
  for (const entry of entries) {
    const [address = '', prefix] = entry.split('/');
    const family = familyOf(address);
    list[family].addSubnet(address, prefix === undefined ? WIDTH[family] : Number(prefix), family);
  }
  return list;
}

// An IPv6 address is looked for in both, as ::ffff:10.0.0.1 is 10.0.0.1 for a BlockList.
function isIn({ ipv4, ipv6 }: List, text: string): boolean {
  const address = text.replace(/%.*$/, '');
  const family = familyOf(address);
  return ipv4.check(address, family) || (family === 'ipv6' && ipv6.check(address, family));
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}

function refusal(hostname: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${hostname} stands for no address that may be called`), {
    code: NOT_PERMITTED,
  });
}
