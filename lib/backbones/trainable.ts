import { frozen } from '../nn/module';
import type { ModuleSpec } from '../nn/spec';

/** Children in registration order. */
export type Children = readonly (readonly [name: string, child: ModuleSpec])[];

/**
 * Freezes what lies beyond the first `trainableLayers` groups, counted from the head as torchvision counts.
 * A frozen norm has no parameters, so freezing it changes nothing.
 */
export function freezeGroups(
  children: Children,
  groups: readonly (readonly string[])[],
  trainableLayers: number,
): { children: Children; frozenNames: readonly string[] } {
  const beyond = new Set(groups.slice(trainableLayers).flat());
  return {
    children: children.map(([name, child]) => [name, beyond.has(name) ? frozen(child) : child]),
    frozenNames: children.map(([name]) => name).filter((name) => beyond.has(name)),
  };
}
