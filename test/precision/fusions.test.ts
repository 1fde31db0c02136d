// The compiled form gives the numbers of the exact one, whatever a network writes over: a fused layer reads its inputs later than
// the layer it was made of.
import assert from 'node:assert/strict';
import { Detector, nn } from '../../lib';
import { bodySpec, IMAGES, largestDifference, scoresOf, WIDE } from './helpers';

const LAYERS = [
  ['conv', nn.conv2d(WIDE, WIDE, 3, { padding: 1 })],
  ['half', nn.conv2d(WIDE, WIDE / 2, 3, { padding: 1 })],
  ['strided', nn.conv2d(WIDE, WIDE, 3, { stride: 2, padding: 1 })],
] as const;

async function assertSame(body: string): Promise<void> {
  await using detector = await Detector.create(bodySpec(LAYERS, body), { device: 'cpu', seed: 1 });
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

describe('fused layers', () => {
  for (const [name, body] of Object.entries(CASES)) {
    it(`see ${name}`, () => assertSame(body));
  }
});
