import { module } from './module';
import { childExpression, tensorForward } from './source';
import type { ModuleSpec } from './spec';

/** `torch.nn.Sequential`: modules named "0", "1", … called one after the other, Tensor to Tensor. */
export function sequential(modules: readonly ModuleSpec[]): ModuleSpec {
  const children = modules.map((child, i) => [`${i}`, child] as const);
  return module('Sequential', {
    children,
    source: tensorForward(
      ...children.map(([name]) => `x = ${childExpression(name)}.forward(x)`),
      'return x',
    ),
  });
}

/** `torch.nn.ModuleList`: modules named "0", "1", … for the parent to call: `getattr(self.list, "0").forward(x)`. */
export function moduleList(modules: readonly ModuleSpec[]): ModuleSpec {
  return module('ModuleList', { children: modules.map((child, i) => [`${i}`, child]), source: '' });
}
