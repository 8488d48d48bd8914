import { PassThrough } from 'node:stream';
import { describe, expect, it } from 'vitest';
import { makeRawBodies } from '../../../src/http/raw-body.ts';

const refused = (code: string) => expect.objectContaining({ code });

describe('a raw body', () => {
  it('is the bytes that were sent, in whatever pieces', async () => {
    const stream = new PassThrough();
    const read = makeRawBodies().read({}, stream, 100);
    for (const byte of [0, 255, 13, 10]) stream.write(Buffer.from([byte]));
    stream.end();
    expect(await read).toEqual(Buffer.from([0, 255, 13, 10]));
  });

  it('is refused by what it announces, before any of it is read', async () => {
    const stream = new PassThrough();
    await expect(makeRawBodies().read({ 'content-length': '11' }, stream, 10)).rejects.toEqual(
      refused('BODY_TOO_LARGE'),
    );
    expect(stream.listenerCount('data')).toBe(0);
  });

  it('is refused by what comes, whatever it announced', async () => {
    const stream = new PassThrough();
    const read = makeRawBodies().read({ 'content-length': '1' }, stream, 10);
    stream.write('0123456789x');
    await expect(read).rejects.toEqual(refused('BODY_TOO_LARGE'));
  });

  it('is refused when it takes too long', async () => {
    const stream = new PassThrough();
    const read = makeRawBodies({ within: 20, together: 100 }).read({}, stream, 100);
    stream.write('x');
    await expect(read).rejects.toEqual(refused('BODY_SLOW'));
  });

  it('is refused when it breaks off', async () => {
    const stream = new PassThrough();
    const read = makeRawBodies().read({ 'content-length': '10' }, stream, 100);
    stream.write('x');
    stream.destroy();
    await expect(read).rejects.toEqual(refused('BODY_MALFORMED'));
  });

  it('is refused while others fill the memory, and taken when they have gone', async () => {
    const bodies = makeRawBodies({ within: 10_000, together: 10 });
    const send = (text: string) => {
      const stream = new PassThrough();
      stream.end(text);
      return bodies.read({}, stream, 10);
    };
    const first = await send('123456');
    await expect(send('12345')).rejects.toEqual(refused('HOOK_BUSY'));
    expect((await send('1234')).length).toBe(4);
    bodies.release(first.length);
    expect((await send('123456')).length).toBe(6);
    await expect(send('1')).rejects.toEqual(refused('HOOK_BUSY'));
  });
});
