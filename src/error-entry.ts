// What a row of the catalogue of errors is. Used by errors.ts and its parts.

export interface Entry<D> {
  status: number;
  message: (details: D) => string;
}

export const entry = <D>(status: number, message: (details: D) => string): Entry<D> => ({ status, message });
