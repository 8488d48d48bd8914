// A component's process for tests: does what the fields of its message say, and says back what it got.
import { text } from 'node:stream/consumers';

const message = JSON.parse(await text(process.stdin));
const { fields } = message;
if (fields.stderr) process.stderr.write(fields.stderr);
if (fields.exit !== undefined) process.exit(fields.exit);
if (fields.large) process.stdout.write(JSON.stringify('x'.repeat(fields.large)));
else if (fields.raw !== undefined) process.stdout.write(fields.raw);
else process.stdout.write(JSON.stringify({ message, env: Object.keys(process.env).sort() }));
