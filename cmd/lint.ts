// `umbel lint`: judges files with flows without a database.
import { Command } from 'commander';
import { EXIT, guarded } from './exit.ts';
import { readFlowFiles } from './flow-files.ts';

export function lintCommand(): Command {
  return new Command('lint')
    .description('check files with flows; needs no database')
    .argument('<file...>', 'YAML or JSON, one flow in each document; - is standard input')
    .action(guarded(runLint));
}

async function runLint(this: Command, files: string[]): Promise<void> {
  const read = await readFlowFiles(files);
  for (const { file, flows, problems } of read) {
    for (const problem of problems) console.log(problem);
    if (problems.length > 0) continue;
    for (const { id, steps } of flows)
      console.log(`${file}: ${id} is fine (${steps.length} step${steps.length === 1 ? '' : 's'})`);
  }
  if (read.some(({ problems }) => problems.length > 0)) process.exitCode = EXIT.failure;
}
