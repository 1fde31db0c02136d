// What the tests of a model's structure share: cases that test/oracle writes from the installed torchvision, and how a described
// module is compared with them.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { RcnnConfig } from '../../binding';
import type { DetectorSpec, NamedModelOptions } from '../../lib/models';
import { countParameters, stateOf } from '../../lib/nn';
import type { ModuleSpec } from '../../lib/nn';

export interface Structure {
  readonly tensors: number;
  readonly trainable: number;
  readonly parameters: number;
  readonly sha256: string;
  readonly list?: readonly string[];
}

export interface ModelCase<Config = RcnnConfig, Options = NamedModelOptions> extends Structure {
  readonly name: string;
  readonly options: Options;
  readonly normEps: number;
  readonly config: Config;
}

/** The cases of test/fixtures/structure/<name>.json. */
export function readCases(name: string): unknown {
  const file = path.join(__dirname, '../fixtures/structure', `${name}.json`);
  return (JSON.parse(readFileSync(file, 'utf8')) as { cases: unknown }).cases;
}

export function linesOf(module: ModuleSpec): string[] {
  return [...stateOf(module)].map((entry) => {
    let kind = 'buffer';
    if (entry.kind === 'parameter') kind = entry.requiresGrad ? 'train' : 'frozen';
    return `${entry.name} ${entry.shape.join('x')} ${kind}`;
  });
}

export function assertStructure(module: ModuleSpec, expected: Structure): void {
  const lines = linesOf(module);
  if (expected.list) assert.deepEqual(lines, expected.list);
  assert.equal(lines.length, expected.tensors, 'tensors in the state dict');
  assert.equal(lines.filter((line) => line.endsWith(' train')).length, expected.trainable);
  assert.equal(countParameters(module), expected.parameters);
  const digest = createHash('sha256').update(lines.map((line) => `${line}\n`).join(''));
  assert.equal(digest.digest('hex'), expected.sha256, 'list of tensors');
}

/** eps of every norm in the backbone's body, as written into its source. */
export function normEps(module: ModuleSpec): Set<number> {
  const written = /(?:batch_norm\(.*, ([^,]+), True\)|rsqrt\(var \+ ([^)]+)\))/g;
  const found = [...module.source.matchAll(written)].map(([, batch, frozen]) =>
    Number(batch ?? frozen),
  );
  for (const [, child] of module.children ?? []) found.push(...normEps(child));
  return new Set(found);
}

export function descend(module: ModuleSpec, name: string): ModuleSpec {
  const child = module.children?.find(([candidate]) => candidate === name)?.[1];
  assert.ok(child, `no child "${name}"`);
  return child;
}

/** A model against its case: state dict, configuration, eps of the backbone and name. */
export function assertModel<Config, Options>(
  spec: DetectorSpec,
  expected: ModelCase<Config, Options>,
): void {
  assertStructure(spec.module, expected);
  assert.deepEqual(spec.config, expected.config);
  const body = descend(descend(spec.module, 'backbone'), 'body');
  assert.deepEqual([...normEps(body)], [expected.normEps]);
  assert.equal(spec.name, expected.name);
}
