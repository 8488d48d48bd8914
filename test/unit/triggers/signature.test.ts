import { createHmac } from 'node:crypto';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { SignatureRule } from '../../../src/triggers/hook-settings.ts';
import { judgeSignature, readKeys } from '../../../src/triggers/signature.ts';
import { makeScheme, type Preset } from '../../../src/triggers/signature-schemes.ts';

type Headers = Record<string, string>;

const rule = (preset?: Preset, settings = {}): SignatureRule => ({
  scheme: makeScheme(preset, settings),
  secrets: ['a', 'b'],
  tolerance: 300_000,
});

function judge(one: SignatureRule, secrets: Headers, headers: Headers, body: string | Buffer, now = 0) {
  const { keys } = readKeys(one, (name) => secrets[name]);
  return judgeSignature(one, keys, { headers, raw: Buffer.from(body) }, now);
}

/** Signed calls as the senders' own documentation shows them: secret, body, headers, and the time. */
const KNOWN: Record<string, [SignatureRule, string, string, Headers, number]> = {
  'the bare form': [
    rule(),
    '12345',
    '{"abc":123}',
    { 'x-hmac': 'gHPCbdbiBH+2TbRx+jM9UC6snDdDxBrw9Bck4h7zewo=' },
    0,
  ],
  GitHub: [
    rule('github'),
    "It's a Secret to Everybody",
    'Hello, World!',
    { 'x-hub-signature-256': 'sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17' },
    0,
  ],
  Slack: [
    rule('slack'),
    '8f742231b10e8888abcd99yyyzzz85a5',
    'token=xyzz0WbapA4vBCDEFasx0q6G&team_id=T1DC2JH3J&team_domain=testteamnow&channel_id=G8PSS9T3V&channel_name=foobar&user_id=U2CERLKJA&user_name=roadrunner&command=%2Fwebhook-collect&text=&response_url=https%3A%2F%2Fhooks.slack.com%2Fcommands%2FT1DC2JH3J%2F397700885554%2F96rGlfmibIGlgcZRskXaIFfN&trigger_id=398738663015.47445629121.803a0bc887a14d10d2c447fce8b6703c',
    {
      'x-slack-request-timestamp': '1531420618',
      'x-slack-signature': 'v0=a2114d57b48eac39b9ad189dd8316235a7b4a8d21a10bd27519666489c69b503',
    },
    1_531_420_618,
  ],
  'Standard Webhooks': [
    rule('standard'),
    'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
    '{"test": 2432232314}',
    {
      'webhook-id': 'msg_p5jXN8AQM9LWM0D4loKWxJek',
      'webhook-timestamp': '1614265330',
      'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
    },
    1_614_265_330,
  ],
  Stripe: [
    rule('stripe'),
    'whsec_test_secret',
    '{"id":"evt_1"}',
    { 'stripe-signature': `t=1700000000,v1=${hmac('whsec_test_secret', '1700000000.{"id":"evt_1"}')},v0=00` },
    1_700_000_000,
  ],
};

function hmac(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('hex');
}

describe.each(Object.entries(KNOWN))(
  'a call signed as %s does',
  (_, [one, secret, body, headers, seconds]) => {
    const now = seconds * 1000;

    it('is genuine', () => {
      expect(judge(one, { a: secret }, headers, body, now)).toMatchObject({ genuine: true });
    });

    it('is genuine with any of several secrets', () => {
      const other = Buffer.from('another').toString('base64');
      expect(judge(one, { a: other, b: secret }, headers, body, now).genuine).toBe(true);
      expect(judge(one, { a: secret, b: other }, headers, body, now).genuine).toBe(true);
    });

    it('is not genuine with another secret, another body, or without one of its headers', () => {
      expect(judge(one, { a: Buffer.from('another').toString('base64') }, headers, body, now).genuine).toBe(
        false,
      );
      expect(judge(one, { a: secret }, headers, `${body} `, now).genuine).toBe(false);
      expect(judge(one, { a: secret }, headers, '', now).genuine).toBe(false);
      for (const name of Object.keys(headers)) {
        const { [name]: _gone, ...rest } = headers;
        expect(judge(one, { a: secret }, rest, body, now).genuine).toBe(false);
      }
    });

    it('is not genuine when anything of its headers was changed', () => {
      fc.assert(
        fc.property(
          fc.constantFrom(...Object.keys(headers)),
          fc.nat(),
          fc.integer({ min: 33, max: 126 }),
          (name, at, code) => {
            const text = headers[name]!;
            const place = at % text.length;
            const changed = text.slice(0, place) + String.fromCharCode(code) + text.slice(place + 1);
            // Hex may be of either case, and what another version of the signature says is not looked at.
            fc.pre(changed.toLowerCase() !== text.toLowerCase() && place < text.length - 6);
            expect(judge(one, { a: secret }, { ...headers, [name]: changed }, body, now).genuine).toBe(false);
          },
        ),
      );
    });

    it('is taken only near its time, when it has one', () => {
      const timed = seconds > 0;
      for (const [off, fits] of [
        [300_000, true],
        [-300_000, true],
        [300_001, !timed],
        [-300_001, !timed],
      ] as const)
        expect([off, judge(one, { a: secret }, headers, body, now + off).genuine]).toEqual([off, fits]);
    });

    it('is known again when it has a time, whichever secret signed it', () => {
      const once = (found: Headers) => {
        const judged = judge(one, found, headers, body, now);
        return judged.genuine ? judged.once : undefined;
      };
      const first = once({ a: secret });
      if (seconds === 0) return expect(first).toBeNull();
      expect(first).toEqual({ seen: expect.any(String), until: now + 300_000 });
      expect(once({ b: secret })).toEqual(first);
    });
  },
);

describe('the bare form', () => {
  it.each(['sha1', 'sha256', 'sha512'] as const)(
    'takes %s in hex and base64, in the header that was named',
    (algorithm) => {
      for (const encoding of ['hex', 'base64'] as const) {
        const signature = createHmac(algorithm, 'k').update('body').digest(encoding);
        const one = rule(undefined, { header: 'X-Shop-Sign', algorithm, encoding });
        expect(judge(one, { a: 'k' }, { 'x-shop-sign': signature }, 'body').genuine).toBe(true);
        expect(judge(one, { a: 'k' }, { 'x-hmac': signature }, 'body').genuine).toBe(false);
      }
    },
  );

  it('never takes what is no signature', () => {
    fc.assert(
      fc.property(fc.string(), (text) => {
        expect(judge(rule(), { a: 'k' }, { 'x-hmac': text }, 'body').genuine).toBe(false);
      }),
    );
  });
});

describe('secrets', () => {
  it('are named when they are missing, or not written as the sender writes them', () => {
    expect(readKeys(rule(), (name) => (name === 'a' ? 'x' : undefined)).missing).toEqual(['b']);
    expect(readKeys(rule('standard'), () => 'whsec_not base64!').missing).toEqual(['a', 'b']);
  });
});
