// What a shape is: a load, run by several contenders as cases of one round. Shapes are in shapes/, contenders in contenders/.

/** Numbers that a case measured, by name. */
export type Figures = Record<string, number>;

export interface Sample {
  figures: Figures;
  /** How the contender was set, as printed: workers, claim-ahead, sizes. */
  settings: Record<string, string | number>;
}

/** What a case is given. */
export interface CaseContext {
  /** A database that holds the contender's schema and nothing else, or what `fill` put there. */
  url: string;
  /** The size of the run: 100,000 by default. Each shape takes its share of it. */
  tasks: number;
  /** Finished and blocked tasks that the growth shape lies on. */
  history: number;
  blocked: number;
}

export interface Contender {
  name: string;
  /** Whose version is printed; none for Umbel itself. */
  package?: string;
  /** Makes the schema in an empty database. */
  install: (url: string) => Promise<void>;
  /** Why it cannot be measured here, or undefined. */
  missing?: () => Promise<string | undefined>;
}

export interface Case {
  contender: Contender;
  run: (context: CaseContext) => Promise<Sample>;
  /** Fills the database once; it then serves every round. */
  fill?: (context: CaseContext) => Promise<void>;
}

export interface Shape {
  name: string;
  title: string;
  /** The figure that cases are compared by. */
  headline: { figure: string; unit: string; better: 'more' | 'less' };
  /** By name, in the order in which each round runs them; the first is what the others are compared with. */
  cases: Record<string, Case>;
}
