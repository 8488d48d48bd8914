// Writes docs/flow.schema.json from the schema of flows; a test holds the committed one against it.
import { writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { format } from 'prettier';
import { publishSchema } from '../src/registrar/definition/published-schema.ts';

const FILE = fileURLToPath(new URL('../docs/flow.schema.json', import.meta.url));
await writeFile(FILE, await format(JSON.stringify(publishSchema()), { parser: 'json', printWidth: 110 }));
