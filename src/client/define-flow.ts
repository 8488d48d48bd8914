// Flows written in TypeScript: the types of programs are carried to the steps that use them, and to what an execution gives.
// Part of the package's public entry.
import { checkFlow } from '../registrar/definition/check.ts';
import type { FlowDefinition, StepDefinition } from '../registrar/definition/schema.ts';
import type { Json } from '../dag/vocabulary.ts';
import type { Context, Program } from '../programs/program.ts';

type ReadonlyDeep<T> = T extends readonly (infer Item)[]
  ? readonly ReadonlyDeep<Item>[]
  : T extends object
    ? { readonly [Key in keyof T]: ReadonlyDeep<T[Key]> }
    : T;

/** A step whose program is a name, or a program made with `defineProgram`. */
export type StepInput = ReadonlyDeep<Omit<StepDefinition, 'program' | 'params'>> & {
  readonly program: string | Program;
  readonly params?: { readonly [key: string]: unknown };
};

type IdOf<Steps extends readonly StepInput[]> = Steps[number]['id'];

/** Parameters that the program knows, of the types that it knows; which may be left out is known at run time only. */
type FittingParams<Step extends StepInput> = Step['program'] extends string
  ? Step['params']
  : Step['program'] extends { run(context: Context<infer Params>): unknown }
    ? { [Key in keyof Step['params']]: Key extends keyof Params ? ReadonlyDeep<Params[Key]> : never }
    : never;

type FittingSteps<Steps extends readonly StepInput[]> = {
  readonly [At in keyof Steps]: Steps[At] & {
    readonly params?: FittingParams<Steps[At]>;
    readonly after?: readonly (IdOf<Steps> | 'all')[];
    readonly before?: readonly IdOf<Steps>[];
  };
};

type Stored<Result> = [Result] extends [undefined | void] ? null : Result;

/** What a step leaves behind: its program's result, as JSON keeps it. */
type ResultOf<Step> = Step extends { program: { run(context: never): infer Result } }
  ? Stored<Awaited<Result>> | (Step extends { allowFail: true } ? null : never)
  : Json;

/** The results of a flow's steps, by id. */
type Results<Steps extends readonly StepInput[]> = {
  [Step in Steps[number] as Step['id']]: ResultOf<Step>;
};

type Named<Step> = Step extends { after: readonly (infer Name)[] } ? Name : never;
type Ends<Step> = Step extends { before: readonly [unknown, ...unknown[]] } ? never : Step;
type WithAll<Step> = Step extends { after: readonly (infer Name)[] }
  ? 'all' extends Name
    ? Step
    : never
  : never;

/** Ids of the steps that no other waits for. */
type LeafOf<Steps extends readonly StepInput[]> = [WithAll<Steps[number]>] extends [never]
  ? Exclude<Extract<Ends<Steps[number]>, StepInput>['id'], Named<Steps[number]>>
  : Exclude<Extract<WithAll<Steps[number]>, StepInput>['id'], Named<Steps[number]>>;

type IsUnion<T, Whole = T> = T extends unknown ? ([Whole] extends [T] ? false : true) : never;

/** The result of the only leaf, else an object of those of the leaves. */
type OutputOf<Steps extends readonly StepInput[]> =
  true extends IsUnion<LeafOf<Steps>>
    ? Pick<Results<Steps>, Extract<LeafOf<Steps>, keyof Results<Steps>>>
    : Results<Steps>[Extract<LeafOf<Steps>, keyof Results<Steps>>];

declare const OUTPUT: unique symbol;

/** A flow as the API takes it, with the type of what its executions give. */
export type DefinedFlow<Output = Json> = FlowDefinition & { readonly [OUTPUT]?: Output };

type Head = ReadonlyDeep<Omit<FlowDefinition, 'steps'>>;

/**
 * A flow of its steps. Errors: a TypeError with every problem of the definition.
 * Programs given as values need not be known here, only to the watchers that run them.
 */
export function defineFlow<const Steps extends readonly StepInput[]>(
  flow: Head & { readonly steps: Steps & FittingSteps<Steps> },
): DefinedFlow<OutputOf<Steps>> {
  const steps = flow.steps.map((step: StepInput) => ({ ...step, program: nameOf(step.program) }));
  const defined = { ...flow, steps };
  const { problems, missing } = checkFlow(defined);
  const all = [...problems, ...missing];
  if (all.length === 0) return defined as unknown as DefinedFlow<OutputOf<Steps>>;
  const lines = all.map(({ path, message }) => `\n  ${path}: ${message}`).join('');
  throw new TypeError(`defineFlow: the flow ${JSON.stringify(flow.id)} is not valid:${lines}`);
}

function nameOf(program: string | Program): string {
  return typeof program === 'string' ? program : program.name;
}
