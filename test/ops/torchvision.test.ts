import assert from 'node:assert/strict';
import type { NativeTensor, ScriptValue } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';
import { assertClose, OperatorCases } from './cases';

const families = [
  'nms',
  'roi_align',
  'roi_pool',
  'ps_roi_align',
  'ps_roi_pool',
  'multiscale_roi_align',
  'deform_conv2d',
];

function tensorsOf(value: ScriptValue): NativeTensor[] {
  return (Array.isArray(value) ? value : [value]) as NativeTensor[];
}

describe("operators against torchvision's results", () => {
  for (const family of families) {
    describe(family, () => {
      const file = new OperatorCases(family);
      for (const { name, operator, args, outputs, gradOutput, gradients } of file.cases) {
        it(name, async () => {
          const binding = loadBinding();
          const values = args.map((argument) => file.argument(binding, argument));
          const results = tensorsOf(await binding.callOperator(operator, values, 'cpu'));
          assert.equal(results.length, outputs.length);
          outputs.forEach((output, i) => {
            const result = results[i] ?? assert.fail();
            assertClose(result, file.stored(output), `output ${i}`);
          });
          if (gradOutput === undefined || gradients === undefined) return;
          const grad = file.tensor(binding, gradOutput);
          const found = await binding.operatorGradients(operator, values, grad, 'cpu');
          gradients.forEach((gradient, i) => {
            if (gradient === null) {
              assert.equal(found[i], null, `argument ${i} has no gradient`);
              return;
            }
            const actual = found[i] ?? assert.fail(`argument ${i} has no gradient`);
            assertClose(actual, file.stored(gradient), `gradient of argument ${i}`);
          });
        });
      }
    });
  }
});
