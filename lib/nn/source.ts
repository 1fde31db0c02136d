/** Small pieces of TorchScript source. Numbers that never change are written into it, so that the compiler can fold them. */

/** A float literal: `0` alone would be an int, which TorchScript keeps apart. */
export function floatLiteral(value: number): string {
  return Number.isInteger(value) && Math.abs(value) < 1e15 ? `${value}.0` : `${value}`;
}

export function boolLiteral(value: boolean): string {
  return value ? 'True' : 'False';
}

export function intListLiteral(values: readonly number[]): string {
  return `[${values.join(', ')}]`;
}

/** The child `name` of `owner`; names that are no identifiers (`"0"`) are reached by getattr. */
export function childExpression(name: string, owner = 'self'): string {
  return /^[A-Za-z_]\w*$/.test(name) ? `${owner}.${name}` : `getattr(${owner}, "${name}")`;
}

/** `def forward(self, x: Tensor) -> Tensor` with the given lines as its body. */
export function tensorForward(...body: readonly string[]): string {
  return defineMethod('forward', 'x: Tensor', 'Tensor', body);
}

/** A method with the given lines as its body, indented as TorchScript wants it. */
export function defineMethod(
  name: string,
  parameters: string,
  result: string,
  body: readonly string[],
): string {
  const lines = body.map((line) => `    ${line}\n`).join('');
  return `def ${name}(self, ${parameters}) -> ${result}:\n${lines}`;
}
