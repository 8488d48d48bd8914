// The package's public entry: what a user's program imports from 'umbel'.
export { Type, type Static } from 'typebox';
export type { Json } from './dag/vocabulary.ts';
export {
  defineProgram,
  type Callback,
  type Signal,
  type Context,
  type Program,
  type ProgramDefinition,
  type ProgramLog,
} from './programs/program.ts';
export {
  NonRetryable,
  ProgramError,
  RetryAfter,
  type ProgramErrorOptions,
} from './programs/program-error.ts';
export { runAgainAfter, type Later } from './programs/later.ts';
export { waitFor, type Waiting, type WaitForSignal } from './programs/wait-for.ts';
export {
  UmbelClient,
  type ClientOptions,
  type Ended,
  type ExecuteOptions,
  type FlowListOptions,
  type ListOptions,
  type WrittenStep,
} from './client/client.ts';
export { defineFlow, type DefinedFlow, type StepInput } from './client/define-flow.ts';
export { UmbelHttpError, type ErrorItem } from './client/send.ts';
export type { FlowDefinition, StepDefinition } from './registrar/definition/schema.ts';
