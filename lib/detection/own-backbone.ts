/** Whether a backbone of one's own gives what it declares: seen by running it once, on a small image. */
import type { Binding, NativeModule, NativeTensor, ScriptValue } from '../../binding';
import { OWN_BUILDER } from '../backbones/own-backbone';
import type { DeclaredLevels, OwnBackboneOptions } from '../backbones/own-backbone';
import { TorchdetError } from '../errors';
import type { DetectorSpec } from '../models/detector-spec';

/** Side of the image the backbone is tried on, or the coarsest stride where that is larger. */
const SIDE = 64;

/**
 * Runs the backbone of a detector on an image of zeros, where it is one of its user's own and says what it gives. The body under
 * a pyramid goes first, as wrong channels there would show as an error of some convolution.
 *
 * @returns a message where it does not run on such an image, so that nothing can be said
 * @throws TorchdetError ERR_BACKBONE_MISMATCH with what was declared and what came
 */
export async function checkOwnBackbone(
  module: NativeModule,
  binding: Binding,
  { description }: DetectorSpec,
): Promise<string[]> {
  const { builder, name, options } = description.backbone;
  const { levels, bodyLevels } = options as Partial<OwnBackboneOptions>;
  if (builder !== OWN_BUILDER || levels === undefined) return [];
  const coarsest = Math.max(...levels.strides);
  const side = coarsest * Math.ceil(SIDE / coarsest);
  const image = binding.Tensor.fromMemory(new Float32Array(3 * side * side), 'float32', [
    1,
    3,
    side,
    side,
  ]);
  const run = async (path: string, what: string, declared: DeclaredLevels): Promise<string[]> => {
    let maps: ScriptValue;
    try {
      maps = await module.call(path, [image]);
    } catch (error) {
      // The first lines of such an error are TorchScript's stack, the last says what is wrong.
      const text = error instanceof Error ? error.message : String(error);
      const reason = text.trim().split('\n').at(-1) ?? '';
      return [
        `Backbone ${name} does not run on an image of ${side} x ${side}, so that its declared levels could not be checked: ${reason}`,
      ];
    }
    compareLevels(`Backbone ${name}${what}`, declared, maps, side);
    return [];
  };
  try {
    if (bodyLevels !== undefined) {
      const messages = await run('backbone.body.forward', ', body', {
        featureNames: bodyLevels.map((_, i) => `${i}`),
        channels: bodyLevels.map(({ channels }) => channels),
        strides: bodyLevels.map(({ stride }) => stride),
      });
      if (messages.length > 0) return messages;
    }
    return await run('backbone.forward', '', levels);
  } finally {
    image.dispose();
  }
}

function compareLevels(
  who: string,
  declared: DeclaredLevels,
  maps: ScriptValue,
  side: number,
): void {
  const mismatch = (message: string) =>
    new TorchdetError('ERR_BACKBONE_MISMATCH', `${who} ${message}`);
  if (!isDictionary(maps)) {
    throw mismatch('must return its maps by name: forward(self, x: Tensor) -> Dict[str, Tensor].');
  }
  const quoted = (names: readonly string[]): string => names.map((name) => `"${name}"`).join(', ');
  const given = Object.keys(maps);
  const { featureNames, channels, strides } = declared;
  try {
    if ([...featureNames].sort().join() !== [...given].sort().join()) {
      throw mismatch(
        `declares ${featureNames.length} levels, ${quoted(featureNames)}, but gives ${given.length}: ${quoted(given)}.`,
      );
    }
    featureNames.forEach((name, i) => {
      const shape = maps[name]?.shape ?? [];
      const [, depth = 0, height = 0, width = 0] = shape;
      const stride = strides[i] ?? 1;
      if (depth !== channels[i]) {
        throw mismatch(
          `declares ${channels[i] ?? 0} channels at level "${name}", but gives ${depth}.`,
        );
      }
      const fits = (size: number): boolean => Math.abs(size - side / stride) < 1;
      if (!fits(height) || !fits(width)) {
        throw mismatch(
          `declares stride ${stride} at level "${name}", but makes ${height} x ${width} of ${side} x ${side}: stride ${Math.round(side / height)}.`,
        );
      }
    });
  } finally {
    for (const map of Object.values(maps)) map.dispose();
  }
}

function isDictionary(value: ScriptValue): value is Record<string, NativeTensor> {
  return (
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !('toTypedArray' in value) &&
    Object.values(value).every(
      (entry) => typeof entry === 'object' && entry !== null && 'toTypedArray' in entry,
    )
  );
}
