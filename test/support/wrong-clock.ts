// Loaded before everything else in a process (`--import`), it puts its clock wrong by CLOCK_SHIFT milliseconds.
const shift = Number(process.env.CLOCK_SHIFT ?? 0);
const Right = Date;

globalThis.Date = new Proxy(Right, {
  construct: (_target, args: [], wrong) =>
    Reflect.construct(Right, args.length === 0 ? [Right.now() + shift] : args, wrong) as object,
  apply: () => new Right(Right.now() + shift).toString(),
  get: (target, name) =>
    name === 'now' ? () => Right.now() + shift : (Reflect.get(target, name) as unknown),
});
