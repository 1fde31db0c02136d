import assert from 'node:assert/strict';
import type { NativeTensor } from '../../binding';
import { loadBinding } from '../../lib/runtime/binding';
import { DenseLossCases } from './dense-loss-cases';
import type { DenseLossCase } from './dense-loss-cases';

const file = new DenseLossCases();

describe("losses of the one-stage families against torchvision's", () => {
  for (const one of file.cases) {
    it(`${one.head}${one.giou ? ' GIoU' : ''}: ${one.name}`, async () => {
      file.check(one, 'losses', await file.losses(one));
      const gradients = await file.gradients(one);
      for (const name of ['cls_logits', 'bbox_regression', 'bbox_ctrness']) {
        if (!file.has(one, name)) continue;
        file.check(one, `gradient/${name}`, gradients.get(name));
      }
    });
  }

  it('every family has its losses under torchvision’s names', () => {
    const names = new Map(file.cases.map((one) => [one.head, one.names]));
    assert.deepEqual(Object.fromEntries(names), {
      retinanet: ['classification', 'bbox_regression'],
      fcos: ['classification', 'bbox_regression', 'bbox_ctrness'],
      fcosOriginal: ['classification', 'bbox_regression', 'bbox_ctrness'],
      ssd: ['bbox_regression', 'classification'],
    });
  });
});

const HEADS = ['retinanet', 'fcos', 'fcosOriginal', 'ssd'] as const;
/** Classes of the files' cases; the logits have one column more or less by the family. */
const CLASSES = 5;

/** Labels of a family's five columns but 0, which is marked always, and what column a label has. */
function labelsOf(head: DenseLossCase['head']): { all: number[]; column: (l: number) => number } {
  if (head === 'fcosOriginal') return { all: [1, 2, 3, 4, 5], column: (label) => label - 1 };
  return { all: [1, 2, 3, 4], column: (label) => label };
}

function floats(tensor: NativeTensor | undefined): Float32Array {
  return (tensor ?? assert.fail('no tensor')).toTypedArray() as Float32Array;
}

async function logitGradient(
  one: DenseLossCase,
  labelledClasses?: readonly (readonly number[])[],
): Promise<Float32Array> {
  const gradients = await file.gradients(one, labelledClasses && { labelledClasses });
  return floats(gradients.get('cls_logits'));
}

const isZero = (value: number): boolean => value === 0;

describe('images in which not all classes are marked', () => {
  for (const head of HEADS) {
    const { all, column } = labelsOf(head);

    it(`${head}: all classes named is none named`, async () => {
      const one = file.find(head, 'two images');
      const plain = floats(await file.losses(one));
      const named = floats(await file.losses(one, { labelledClasses: [all, [...all].reverse()] }));
      assert.deepEqual(named, plain);
    });

    it(`${head}: nothing marked and no boxes is no loss and no gradient`, async () => {
      const one = file.find(head, 'no boxes at all');
      const gradient = await logitGradient(one, [[], []]);
      const first = column(1);
      assert.ok(gradient.every((value, i) => i % CLASSES < first || value === 0));
      // In RetinaNet and FCOS nothing is label 0.
      if (head === 'retinanet' || head === 'fcos') {
        assert.ok(gradient.every((value, i) => i % CLASSES >= first || value > 0));
        return;
      }
      const losses = floats(await file.losses(one, { labelledClasses: [[], []] }));
      assert.ok(losses.every(isZero), `losses ${losses.join(', ')}`);
    });

    it(`${head}: only the image that says so is changed`, async () => {
      // Images without boxes would have no share in SSD's loss.
      const one = file.find(head, 'two images');
      const plain = await logitGradient(one);
      const changed = await logitGradient(one, [all, []]);
      const half = plain.length / 2;
      assert.deepEqual(changed.subarray(0, half), plain.subarray(0, half));
      assert.notDeepEqual(changed.subarray(half), plain.subarray(half));
    });

    it(`${head}: at places without a box the other classes have no gradient, at boxes they have`, async () => {
      const one = file.find(head, 'two images');
      const marked = all.slice(0, 2);
      const plain = await logitGradient(one);
      const changed = await logitGradient(one, [marked, marked]);
      const unmarked = all.slice(2).map(column);
      let background = 0;
      let objects = 0;
      for (let place = 0; place < plain.length / CLASSES; place++) {
        const rows = [plain, changed].map((g) =>
          g.subarray(place * CLASSES, (place + 1) * CLASSES),
        );
        const [before, after] = [rows[0] ?? assert.fail(), rows[1] ?? assert.fail()];
        // Sampled background of SSD may be other boxes than before.
        if (before.every(isZero) || after.every(isZero)) continue;
        if (unmarked.every((c) => after[c] === 0)) {
          background++;
          continue;
        }
        assert.deepEqual(after, before, `place ${place}`);
        objects++;
      }
      assert.ok(background > 0 && objects > 0, `${background} and ${objects} places`);
    });
  }

  it('ssd: a softmax over the background and the marked classes', async () => {
    const one = file.find('ssd', 'two images');
    const gradient = await logitGradient(one, [[2], [2]]);
    let seen = 0;
    for (let place = 0; place < gradient.length / CLASSES; place++) {
      const [none = 0, one_, two = 0] = gradient.subarray(place * CLASSES, (place + 1) * CLASSES);
      if (one_ !== 0 || none >= 0) continue;
      // What is pulled up on one side is pushed down on the other.
      assert.ok(two > 0 && Math.abs(none + two) <= 1e-6, `place ${place}: ${none} and ${two}`);
      seen++;
    }
    assert.ok(seen > 3, `${seen} places`);
  });
});

describe('targets that do not fit', () => {
  const refused = async (
    head: DenseLossCase['head'],
    changed: Parameters<DenseLossCases['losses']>[1],
    message: RegExp,
  ): Promise<void> => {
    await assert.rejects(file.losses(file.find(head, 'two images'), changed), message);
  };

  for (const [head, wrong, range] of [
    ['retinanet', 5n, '0 to 4'],
    ['fcos', -1n, '0 to 4'],
    ['fcosOriginal', 0n, '1 to 5'],
    ['ssd', 0n, '1 to 4'],
    ['ssd', 5n, '1 to 4'],
  ] as const) {
    it(`${head}: label ${wrong}`, async () => {
      const { Tensor } = loadBinding();
      const labels = [
        Tensor.fromMemory(BigInt64Array.from([1n, 1n, 1n]), 'int64', [3]),
        Tensor.fromMemory(BigInt64Array.from([1n, 1n, wrong, 1n, 1n, 1n, 1n]), 'int64', [7]),
      ];
      const message = new RegExp(`box 2 of image 1 has label ${wrong}.*${range}`, 's');
      await refused(head, { labels }, message);
    });
  }

  it('a labelled class that the model does not have', async () => {
    await refused('ssd', { labelledClasses: [[1], [1, 0]] }, /image 1 name label 0.*1 to 4/s);
    await refused('fcos', { labelledClasses: [[5], []] }, /image 0 name label 5.*0 to 4/s);
  });
});
