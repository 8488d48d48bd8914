// Files with flows, read and judged for `umbel define` and `umbel lint`.
import { readFile } from 'node:fs/promises';
import { text as readAll } from 'node:stream/consumers';
import { messageOf, UmbelError } from '../src/errors.ts';
import type { FlowDefinition } from '../src/registrar/definition/schema.ts';
import { readYaml } from '../src/registrar/definition/yaml.ts';

export interface FlowFile {
  file: string;
  flows: FlowDefinition[];
  /** `orders.yaml:12:5: steps[1].after[0]: no step is called "lode"`. */
  problems: string[];
}

/** `-` is standard input. A flow that stands in two places is a problem of the second. */
export async function readFlowFiles(files: string[]): Promise<FlowFile[]> {
  const places = new Map<string, string>();
  const read: FlowFile[] = [];
  for (const file of files) read.push(readOne(file, await readText(file), places));
  return read;
}

function readOne(file: string, text: string, places: Map<string, string>): FlowFile {
  const flows: FlowDefinition[] = [];
  const problems: string[] = [];
  for (const { flow, line, problems: found } of readYaml(text)) {
    for (const { line, column, path, message } of found)
      problems.push(`${file}:${line}:${column}: ${path === '' ? '' : `${path}: `}${message}`);
    if (flow === null) continue;
    const other = places.get(flow.id);
    if (other !== undefined)
      problems.push(`${file}:${line}:1: id: the flow "${flow.id}" is also defined at ${other}`);
    places.set(flow.id, other ?? `${file}:${line}`);
    flows.push(flow);
  }
  return { file, flows, problems };
}

async function readText(file: string): Promise<string> {
  try {
    return file === '-' ? await readAll(process.stdin) : await readFile(file, 'utf8');
  } catch (cause) {
    throw new UmbelError('CONFIG_INVALID', { problems: [`${file}: ${messageOf(cause)}`] }, { cause });
  }
}
