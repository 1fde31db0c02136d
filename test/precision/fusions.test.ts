// The compiled form gives the numbers of the exact one, whatever a network writes over: a fused layer reads its inputs later than
// the layer it was made of, and int8 rounds a tensor as it is made.
import assert from 'node:assert/strict';
import { Detector, nn } from '../../lib';
import { bodySpec, cpuSupport, IMAGES, largestDifference, scoresOf, WIDE } from './helpers';

const LAYERS = [
  ['conv', nn.conv2d(WIDE, WIDE, 3, { padding: 1 })],
  ['half', nn.conv2d(WIDE, WIDE / 2, 3, { padding: 1 })],
  ['strided', nn.conv2d(WIDE, WIDE, 3, { stride: 2, padding: 1 })],
  ['grouped', nn.conv2d(WIDE, WIDE, 3, { padding: 1, groups: WIDE / 2 })],
] as const;

function make(body: string): Promise<Detector> {
  return Detector.create(bodySpec(LAYERS, body), { device: 'cpu', seed: 1 });
}

async function assertSame(body: string): Promise<void> {
  await using detector = await make(body);
  const exact = await scoresOf(detector, true);
  assert.ok(exact.length >= 100 * IMAGES.length);
  const difference = largestDifference(await scoresOf(detector), exact);
  assert.ok(difference < 1e-5, `largest difference ${difference}`);
}

const CASES: Readonly<Record<string, string>> = {
  'a sum written into a slice': `
z = torch.relu(y)
z[:, :16] += self.half.forward(y)`,
  'a sum written into a view': `
z = torch.relu(y)
part = torch.narrow(z, 1, 0, 16)
part.add_(self.half.forward(y))`,
  'a sum written into a tensor of two names': `
skip = torch.sigmoid(y)
z = skip
z += self.conv.forward(y)
z = z * skip`,
  'a summand that changes between sum and ReLU': `
w = torch.sigmoid(y)
v = self.conv.forward(y) + w
w.mul_(-5.0)
z = torch.relu(v) + w`,
  'a summand that changes between sum and ReLU in a branch': `
w = torch.sigmoid(y)
v = self.conv.forward(y) + w
if x.size(0) > 0:
    w.mul_(-5.0)
z = torch.relu(v) + w`,
  'an input that changes between layer and sum': `
w = torch.sigmoid(y)
v = self.conv.forward(y)
y.mul_(-5.0)
z = (v + w) * torch.sigmoid(y)`,
  'an input that changes through a view': `
w = torch.sigmoid(y)
v = self.conv.forward(y)
part = torch.narrow(y, 1, 0, 16)
part.mul_(-5.0)
z = (v + w) * torch.sigmoid(y)`,
  'an input that changes in a branch': `
w = torch.sigmoid(y)
v = self.conv.forward(y)
if x.size(0) > 0:
    y.mul_(-5.0)
z = (v + w) * torch.sigmoid(y)`,
  'an input that changes in a loop that it is read in': `
for i in range(2):
    y += self.conv.forward(y)
z = y`,
  'a chain that spans a branch with a chain of its own': `
w = torch.sigmoid(y)
v = self.conv.forward(y)
if x.size(0) > 0:
    w = torch.relu(self.conv.forward(w) + y)
z = torch.relu(v + w)`,
};

const WRITTEN: Readonly<Record<string, string>> = {
  'through a slice': `
y = torch.sigmoid(y)
y[:, :16] *= -5.0
z = self.conv.forward(y)`,
  'through a view, between two readers': `
y = torch.sigmoid(y)
w = self.conv.forward(y)
part = torch.narrow(y, 1, 0, 16)
part.mul_(-5.0)
z = self.conv.forward(y) + w`,
  'in a branch, as a summand': `
y = torch.sigmoid(y)
w = self.conv.forward(y)
if x.size(0) > 0:
    part = torch.narrow(y, 1, 0, 16)
    part.mul_(-5.0)
z = self.conv.forward(torch.relu(self.conv.forward(w) + y))`,
};

describe('fused layers', () => {
  for (const [name, body] of Object.entries(CASES)) {
    it(`see ${name}`, () => assertSame(body));
  }
});

describe('int8', () => {
  for (const [name, body] of Object.entries(WRITTEN)) {
    it(`sees what is written ${name}`, async function () {
      if (!cpuSupport().int8) return this.skip();
      await using detector = await make(body);
      const exact = await scoresOf(detector, true);
      await detector.calibrate(IMAGES);
      await detector.setPrecision('int8');
      const difference = largestDifference(await scoresOf(detector), exact);
      assert.ok(difference < 0.02, `largest difference ${difference}`);
    });
  }
});

describe('bfloat16', () => {
  it('runs a grouped convolution before a sum and a ReLU', async function () {
    if (!cpuSupport().bfloat16) return this.skip();
    await using detector = await make('z = torch.relu(self.grouped.forward(y) + y)');
    const exact = await scoresOf(detector, true);
    await detector.setPrecision('bfloat16');
    const difference = largestDifference(await scoresOf(detector), exact);
    assert.ok(difference > 1e-5 && difference < 0.02, `largest difference ${difference}`);
  });
});
