import type { AttributeSpec, BufferSpec, ModuleSpec, ParameterSpec } from './spec';

export interface ModuleParts {
  readonly parameters?: Readonly<Record<string, ParameterSpec>>;
  readonly buffers?: Readonly<Record<string, BufferSpec>>;
  readonly attributes?: Readonly<Record<string, AttributeSpec>>;
  /** [name, module] pairs in registration order, which is the order of the state dict. */
  readonly children?: readonly (readonly [name: string, child: ModuleSpec])[];
  /** TorchScript: `def` blocks starting at column 0, see {@link ModuleSpec}. */
  readonly source: string;
}

/** A module of one's own: its tensors, children and TorchScript source. `type` names its class in messages and archives. */
export function module(type: string, parts: ModuleParts): ModuleSpec {
  return { type, ...parts };
}

/** A tensor of a described module under its full name, as in the state dict. */
export type StateDescription = {
  readonly name: string;
  readonly shape: readonly number[];
} & ({ readonly kind: 'parameter'; readonly requiresGrad: boolean } | { readonly kind: 'buffer' });

/** Every parameter and buffer in the order of torchvision's state dict: a module's parameters, its buffers, its children. */
export function* stateOf(spec: ModuleSpec, prefix = ''): Generator<StateDescription> {
  for (const [name, parameter] of Object.entries(spec.parameters ?? {})) {
    const requiresGrad = parameter.requiresGrad ?? true;
    yield { name: prefix + name, shape: parameter.shape, kind: 'parameter', requiresGrad };
  }
  for (const [name, buffer] of Object.entries(spec.buffers ?? {})) {
    yield { name: prefix + name, shape: buffer.shape, kind: 'buffer' };
  }
  for (const [name, child] of spec.children ?? []) yield* stateOf(child, `${prefix}${name}.`);
}

/** How many numbers the parameters hold, frozen ones included, as torchvision counts `num_params`. */
export function countParameters(spec: ModuleSpec): number {
  let count = 0;
  for (const entry of stateOf(spec)) {
    if (entry.kind === 'parameter') count += entry.shape.reduce((product, n) => product * n, 1);
  }
  return count;
}

/** The same module with every parameter frozen from the start. */
export function frozen(spec: ModuleSpec): ModuleSpec {
  const parameters = Object.entries(spec.parameters ?? {}).map(
    ([name, parameter]) => [name, { ...parameter, requiresGrad: false }] as const,
  );
  return {
    ...spec,
    ...(spec.parameters && { parameters: Object.fromEntries(parameters) }),
    ...(spec.children && {
      children: spec.children.map(([name, child]) => [name, frozen(child)] as const),
    }),
  };
}
