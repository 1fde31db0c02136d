import assert from 'node:assert/strict';
import type { Binding, NativeTensor, ScriptValue } from '../../binding';
import { assertClose, OperatorCases } from '../ops/cases';
import { openHostOperators, tensorsOf } from './host';

/*
 * The kernels' own code, run on the CPU one thread after the other (native/cuda/host), against torchvision's results: the same
 * cases that the CPU's operators pass.
 */
const families: Readonly<Record<string, string | null>> = {
  nms: null,
  roi_align: '_roi_align_backward',
  roi_pool: '_roi_pool_backward',
  ps_roi_align: '_ps_roi_align_backward',
  ps_roi_pool: '_ps_roi_pool_backward',
  deform_conv2d: '_deform_conv2d_backward',
};

/** The arguments of a family's backward operator: what autograd would hand it. */
function backwardArguments(
  family: string,
  grad: NativeTensor,
  values: readonly ScriptValue[],
  outputs: readonly NativeTensor[],
): ScriptValue[] {
  const [input, second, ...rest] = values as [NativeTensor, NativeTensor, ...ScriptValue[]];
  if (family === 'deform_conv2d') return [grad, ...values];
  const companion = outputs.slice(1);
  const [scale, height, width, ...options] = rest;
  const sizes = input.shape;
  if (family === 'roi_align')
    return [grad, second, scale, height, width, ...sizes, ...options] as ScriptValue[];
  return [grad, second, ...companion, scale, height, width, ...options, ...sizes] as ScriptValue[];
}

describe("CUDA kernels, compiled for the CPU, against torchvision's results", function () {
  this.timeout(600_000);
  let binding: Binding;

  before(async () => {
    binding = await openHostOperators();
  });

  for (const [family, backward] of Object.entries(families)) {
    describe(family, () => {
      const file = new OperatorCases(family);
      for (const { name, operator, args, outputs, gradOutput, gradients } of file.cases) {
        // Composites are made of the others, on every device.
        if (operator !== `torchvision::${family}`) continue;
        it(name, async () => {
          const values = args.map((argument) => file.argument(binding, argument));
          const host = `torchdet_host::${family}`;
          const results = tensorsOf(await binding.callOperator(host, values, 'cpu'));
          assert.equal(results.length, outputs.length);
          outputs.forEach((output, i) => {
            assertClose(results[i] ?? assert.fail(), file.stored(output), `output ${i}`);
          });
          if (gradOutput === undefined || gradients === undefined || backward === null) return;
          const grad = file.tensor(binding, gradOutput);
          const found = tensorsOf(
            await binding.callOperator(
              `torchdet_host::${backward}`,
              backwardArguments(family, grad, values, results),
              'cpu',
            ),
          );
          // deform_conv2d's backward gives all of its tensors' gradients, the others' the input's alone.
          found.forEach((gradient, i) => {
            const expected = gradients[i];
            if (expected === null || expected === undefined) return;
            assertClose(gradient, file.stored(expected), `gradient of argument ${i}`);
          });
        });
      }
    });
  }
});
