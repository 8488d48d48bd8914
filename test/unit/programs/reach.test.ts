import type { LookupAddress } from 'node:dns';
import { promisify } from 'node:util';
import { describe, expect, test } from 'vitest';
import { makeHttpRequest } from '../../../src/programs/http-request.ts';
import { makeCallOut } from '../../../src/programs/outbound.ts';
import { makeReach } from '../../../src/programs/reach.ts';
import { answerJson, startServer } from './local-server.ts';
import { errorOf, resultOf } from './run-program.ts';

/** Hosts as a URL spells them. */
const hostOf = (host: string) => new URL(`http://${host}/`).hostname;

function requestWith(...allow: string[]) {
  return makeHttpRequest(makeCallOut(allow));
}

describe('without a list', () => {
  const reach = makeReach([]);

  test.each(['8.8.8.8', '1.1.1.1', '172.32.0.1', '100.128.0.1', '[2606:4700::1111]', 'example.com'])(
    '%s may be called',
    (host) => {
      expect(reach.permits(hostOf(host))).toBe(true);
    },
  );

  test.each([
    ['this machine', ['127.0.0.1', '127.9.9.9', '2130706433', '0x7f.1', '0.0.0.0', '[::1]', '[::]']],
    ['private networks', ['10.0.0.1', '172.16.0.1', '172.31.255.255', '192.168.1.1']],
    ['link-local addresses', ['169.254.169.254', '169.254.0.1', '[fe80::1]']],
    ['carrier-grade NAT', ['100.64.0.1', '100.127.255.255', '100.100.100.200']],
    ['unique local addresses', ['[fc00::1]', '[fd00:ec2::254]']],
    ['IPv4 within IPv6', ['[::ffff:10.0.0.1]', '[::ffff:7f00:1]', '[::127.0.0.1]', '[64:ff9b::10.0.0.1]']],
    ['IPv4 tunnelled in IPv6', ['[2002:7f00:1::]', '[2001:0:7f00:1::]']],
    ['multicast and reserved', ['224.0.0.1', '255.255.255.255', '240.0.0.1', '[ff02::1]']],
    ['metadata at a public address', ['168.63.129.16']],
  ])('%s may not', (_, hosts) => {
    expect(hosts.filter((host) => reach.permits(hostOf(host)))).toEqual([]);
  });
});

describe('a list', () => {
  test('opens its networks and addresses, and nothing next to them', () => {
    const reach = makeReach(['10.0.0.0/8', '192.168.1.5', 'fd00::/8']);
    const hosts = ['10.1.2.3', '[::ffff:10.1.2.3]', '192.168.1.5', '192.168.1.6', '[fd00::1]', '[fc00::1]'];
    expect(hosts.filter((host) => reach.permits(hostOf(host)))).toEqual([
      '10.1.2.3',
      '[::ffff:10.1.2.3]',
      '192.168.1.5',
      '[fd00::1]',
    ]);
  });

  test('of all IPv6 opens no IPv4, and the other way about', () => {
    expect(makeReach(['::/0']).permits('10.0.0.1')).toBe(false);
    expect(makeReach(['0.0.0.0/0']).permits('[fd00::1]')).toBe(false);
  });

  test('opens addresses with credentials for all only by naming them', () => {
    const metadata = ['169.254.169.254', '[::ffff:169.254.169.254]', '[fd00:ec2::254]', '100.100.100.200'];
    const wide = makeReach(['0.0.0.0/0', '::/0']);
    expect(metadata.filter((host) => wide.permits(hostOf(host)))).toEqual([]);
    expect(makeReach(['169.254.169.254']).permits('169.254.169.254')).toBe(true);
  });
});

describe('a name', () => {
  const addressesOf = (allow: string[]) => promisify(makeReach(allow).lookup)('localhost', { all: true });

  test('stands for the addresses that may be called, and no other', async () => {
    const found = (await addressesOf(['127.0.0.0/8'])) as unknown as LookupAddress[];
    expect(found.map(({ address }) => address)).toEqual(['127.0.0.1']);
  });

  test('stands for nothing when none may', async () => {
    await expect(addressesOf(['10.0.0.0/8'])).rejects.toMatchObject({ code: 'NOT_PERMITTED' });
  });

  test('that is listed stands for all its addresses', async () => {
    const { url } = await startServer((response) => answerJson(response, 'here'));
    const named = url.replace('127.0.0.1', 'LocalHost');
    expect(await resultOf(requestWith('localhost'), { url: named })).toMatchObject({ body: 'here' });
    expect((await errorOf(requestWith('localhost'), { url })).name).toBe('InvalidParametersError');
  });
});

describe('a call to what is not allowed', () => {
  test.each(['127.0.0.1', 'localhost', '[::ffff:127.0.0.1]'])(
    'at %s fails before anything is sent, says so, and is not tried again',
    async (host) => {
      const { url, received } = await startServer((response) => answerJson(response, {}));
      const there = url.replace('127.0.0.1', host).replace('//', '//joe:secret@');
      const error = await errorOf(requestWith('10.0.0.0/8'), { url: `${there}/p?key=secret` });
      expect(error).toMatchObject({
        name: 'InvalidParametersError',
        message: `GET ${new URL(there).origin}/p: the host is not at a public address; if tasks may call it, list it in OUTBOUND_ALLOW`,
      });
      expect(JSON.stringify(error)).not.toContain('secret');
      expect(received).toEqual([]);
    },
  );

  test('fails when a redirect leads there', async () => {
    const hidden = await startServer((response) => answerJson(response, 'hidden'));
    const location = hidden.url;
    const { url } = await startServer((response) => response.writeHead(302, { location }).end());
    const error = await errorOf(requestWith('localhost'), { url: url.replace('127.0.0.1', 'localhost') });
    expect(error).toMatchObject({ name: 'InvalidParametersError' });
    expect(error.message).toContain(`GET ${hidden.url}/: the host is not`);
    expect(hidden.received).toEqual([]);
  });
});
