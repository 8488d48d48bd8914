#!/usr/bin/env node
// Where the process begins. JavaScript: what an earlier start compiled is found before a single type has to be stripped, which is
// half of the time to start and a fifth of the memory.
import { enableCompileCache } from 'node:module';

enableCompileCache();
const { runCommandLine } = await import('./commands.ts');
await runCommandLine();
