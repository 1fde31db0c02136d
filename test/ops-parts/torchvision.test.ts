import assert from 'node:assert/strict';
import { Tensor } from '../../lib';
import { loadBinding } from '../../lib/runtime/binding';
import { assertClose, OperatorCases } from '../ops/cases';
import { asArray, asTensor, PartCases } from './cases';

/** Greatest difference by topic, as a share of the largest value; 0: every bit. */
const topics: readonly [topic: string, tolerance: number][] = [
  ['boxes', 0],
  ['nms', 0],
  ['anchors', 0],
  ['box-coder', 1e-6],
  ['matcher', 0],
  ['sampler', 0],
  ['roi', 2e-6],
];

/** Functions whose feature maps are Tensors whatever else is given. */
const onMaps = /roi|deform|matchQuality/i;

describe("the parts against torchvision's", () => {
  for (const [topic, tolerance] of topics) {
    const file = new PartCases(topic);
    const names = new Set(file.cases.map((part) => part.function));
    for (const name of names) {
      const cases = file.cases.filter((part) => part.function === name);
      it(`${name} of Tensors (${cases.length} cases)`, async () => {
        for (const part of cases) {
          await named(part.name, async () => {
            file.check(await file.call(part, asTensor), part.result, tolerance);
          });
        }
      });
      if (onMaps.test(name)) continue;
      it(`${name} of arrays (${cases.length} cases)`, async () => {
        for (const part of cases) {
          await named(part.name, async () => {
            const result = await file.call(part, asArray);
            assert.ok(!(result instanceof Tensor), 'arrays in, arrays out');
            file.check(result, part.result, tolerance);
          });
        }
      });
    }
  }
});

describe("gradients of overlaps against torchvision's", () => {
  const file = new OperatorCases('box_iou');
  for (const { name, operator, args, outputs, gradOutput, gradients } of file.cases) {
    it(name, async () => {
      const binding = loadBinding();
      const values = args.map((argument) => file.argument(binding, argument));
      const result = await binding.callOperator(operator, values, 'cpu');
      assertClose(result as never, file.stored(outputs[0] ?? ''), 'the value');
      const grad = file.tensor(binding, gradOutput ?? '');
      const found = await binding.operatorGradients(operator, values, grad, 'cpu');
      const wanted = gradients?.[0] ?? assert.fail('the case has no gradient');
      assertClose(found[0] ?? assert.fail('no gradient'), file.stored(wanted), 'the gradient');
    });
  }
});

/** Says which case of many failed. */
async function named(name: string, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    throw new Error(`case "${name}": ${(error as Error).message}`, { cause: error });
  }
}
