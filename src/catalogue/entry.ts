// What stands in the catalogue of errors for each code. Used by errors.ts and by the parts of it.
export interface Entry<D> {
  status: number;
  message: (details: D) => string;
}

export const entry = <D>(status: number, message: (details: D) => string): Entry<D> => ({ status, message });
