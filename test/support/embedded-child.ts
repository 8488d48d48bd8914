// A process that starts the embedded Postgres of a data directory (first argument), prints its URL and stays, so that tests
// can run it as another user and kill it.
import { silentLogger } from '../../src/log.ts';
import { startEmbedded } from '../../src/sql/embedded.ts';

const { url } = await startEmbedded({ dataDir: process.argv[2] ?? '', log: silentLogger(), fast: true });
process.stdout.write(`${url}\n`);
process.stdin.resume();
