/** Bringing checkpoints into a compiled module. */
import type { Binding, NativeModule, StateEntry } from '../../binding';
import {
  backboneState,
  cachedWeights,
  type Checkpoint,
  matchState,
  readCheckpoint,
} from '../checkpoints';
import { TorchdetError } from '../errors';
import type { DetectorSpec } from '../models/detector-spec';
import { findWeights, type WeightsEntry } from '../models/weights';

/** A checkpoint's path, its bytes, or the name of published weights (`COCO_V1`, `FasterRCNN_ResNet50_FPN_Weights.COCO_V1`). */
export type WeightsSource = string | Buffer;

export interface WeightsOptions {
  /** Progress of a download: bytes received and, where known, in all. */
  readonly onProgress?: (received: number, total: number | undefined) => void;
  readonly signal?: AbortSignal;
}

/** Published names are words and dots; everything that looks like a file is one. */
function isPublishedName(source: WeightsSource): source is string {
  return typeof source === 'string' && /^(\w+_Weights\.)?[A-Z][A-Z0-9_]*$/.test(source);
}

/** The catalogue's entry where `source` is a published name, for the model called `model`. */
export function publishedWeights(source: WeightsSource, model?: string): WeightsEntry | undefined {
  return isPublishedName(source) ? findWeights(source, model) : undefined;
}

/** Reads a checkpoint, downloading published weights into the cache first. */
export async function openWeights(
  source: WeightsSource,
  model: string | undefined,
  { onProgress, signal }: WeightsOptions,
): Promise<Checkpoint> {
  const entry = publishedWeights(source, model);
  if (!entry) return readCheckpoint(source);
  const download = { ...(onProgress ? { onProgress } : {}), ...(signal ? { signal } : {}) };
  return readCheckpoint(await cachedWeights(entry, download));
}

async function copyIn(
  module: NativeModule,
  binding: Binding,
  entries: readonly StateEntry[],
  checkpoint: Checkpoint,
  strict: boolean,
): Promise<string[]> {
  const { state, messages } = matchState(entries, checkpoint, { strict });
  const tensors = Object.fromEntries(
    [...state].map(([name, { data, dtype, shape }]) => [
      name,
      binding.Tensor.fromMemory(data, dtype, shape),
    ]),
  );
  await module.loadState(tensors);
  for (const tensor of Object.values(tensors)) tensor.dispose();
  return messages;
}

/**
 * Copies a whole detector's state dict in.
 *
 * @returns what its user should know, for example that the predictors were left fresh
 * @throws TorchdetError ERR_STATE_DICT, and the errors of reading a checkpoint
 */
export async function loadDetectorWeights(
  module: NativeModule,
  binding: Binding,
  checkpoint: Checkpoint,
  strict = true,
): Promise<string[]> {
  return copyIn(module, binding, await module.names(), checkpoint, strict);
}

/**
 * Copies an image classifier's weights into the backbone; what only a classifier has (`fc`, `classifier`) is left out.
 *
 * @throws TorchdetError ERR_STATE_DICT where they do not fit, or where the backbone takes none.
 */
export async function loadBackboneWeights(
  module: NativeModule,
  binding: Binding,
  spec: DetectorSpec,
  checkpoint: Checkpoint,
): Promise<string[]> {
  const hint = spec.pretrainedBackbone;
  if (hint === undefined) {
    throw new TorchdetError(
      'ERR_STATE_DICT',
      `${spec.name}: this backbone does not say where classification weights would go (Backbone.pretrained).`,
    );
  }
  const parts = hint.moved?.map(([, to]) => hint.to + to) ?? [hint.to];
  const fresh = hint.fresh?.map((part) => hint.to + part) ?? [];
  const entries = (await module.names()).filter(
    ({ name }) =>
      parts.some((part) => name.startsWith(part)) && !fresh.some((part) => name.startsWith(part)),
  );
  const names = new Set(entries.map(({ name }) => name));
  const state = backboneState(checkpoint, (name) => names.has(name), hint.to, hint.moved);
  return copyIn(module, binding, entries, state, true);
}
