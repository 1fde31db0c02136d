import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Binding, NativeModule, NativeOptimizer, NativeTensor } from '../../binding';
import { nn } from '../../lib';
import { Tensor } from '../../lib/tensor';
import { Optimizer } from '../../lib/training/optimizer';
import type { OptimizerDescription } from '../../lib/training/optimizer-options';
import { loadBinding } from '../../lib/runtime/binding';

type Values = Readonly<Record<string, readonly number[]>>;

/** What test/oracle/optimizers.py writes. */
export interface OptimizerFixture {
  readonly cases: Readonly<
    Record<string, { readonly parameters: Values; readonly norms: readonly number[] }>
  >;
  readonly schedules: Readonly<Record<string, readonly number[]>>;
  readonly ema: { readonly decay: number; readonly averages: Values; readonly restarted: Values };
}

export const FIXTURE = JSON.parse(
  readFileSync(join(__dirname, '..', 'fixtures', 'training', 'optimizers.json'), 'utf8'),
) as OptimizerFixture;

export const STEPS = 10;

function draw(shape: readonly number[], seed: number): NativeTensor {
  return Tensor.random('normal', shape, seed).native;
}

export const binding: Binding = loadBinding();

/** The convolution, norm and linear layer of test/oracle/optimizers.py, with its first values. */
export async function smallModel(): Promise<NativeModule> {
  const spec = nn.sequential([nn.conv2d(3, 4, 3), nn.batchNorm2d(4), nn.linear(4, 5)]);
  const module = await binding.Module.compile(spec, { device: 'cpu', seed: 0 });
  const parameters = await parametersOf(module);
  await module.loadState(
    Object.fromEntries(parameters.map(({ name, shape }, i) => [name, draw(shape, 100 + i)])),
  );
  return module;
}

export async function parametersOf(module: NativeModule) {
  return (await module.names()).filter(({ kind }) => kind === 'parameter');
}

export function optimizerOf(
  module: NativeModule,
  description: OptimizerDescription,
): Promise<Optimizer> {
  return Optimizer.create(binding, module, description);
}

export async function valuesOf(module: NativeModule): Promise<Record<string, Float64Array>> {
  return copies(await module.stateDict());
}

export function copies(
  state: Readonly<Record<string, NativeTensor | Tensor>>,
): Record<string, Float64Array> {
  const numbers = (tensor: NativeTensor | Tensor) =>
    Float64Array.from(tensor instanceof Tensor ? tensor.data : tensor.toTypedArray(), Number);
  return Object.fromEntries(Object.entries(state).map(([name, t]) => [name, numbers(t)]));
}

/** The oracle's gradients of a step; those under `skip` are left out. */
export async function gradientsOf(
  module: NativeModule,
  step: number,
  skip = 'none',
): Promise<Record<string, NativeTensor>> {
  const parameters = await parametersOf(module);
  return Object.fromEntries(
    parameters.flatMap(({ name, shape }, i) =>
      name.startsWith(skip) ? [] : [[name, draw(shape, 1000 + 10 * step + i)] as const],
    ),
  );
}

export interface StepRules {
  readonly clipNorm?: number;
  readonly clipValue?: number;
}

export async function step(
  native: NativeOptimizer,
  gradients: Readonly<Record<string, NativeTensor>>,
  { clipNorm, clipValue }: StepRules = {},
) {
  return native.step(gradients, { clipNorm: clipNorm ?? null, clipValue: clipValue ?? null });
}
