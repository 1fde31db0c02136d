import type { Dataset, Entry } from './dataset';

/**
 * The same data set without its outlines: for models that learn no masks, so that none are drawn, a byte for each pixel of each
 * object.
 */
export function boxesOnly(data: Dataset): Dataset {
  if (!data.hasMasks) return data;
  const { format, path, split, categories, names, length, keypointCount, problems, sizes } = data;
  return {
    ...{ format, path, categories, names, length, keypointCount, problems, sizes },
    ...(split !== undefined && { split }),
    hasMasks: false,
    entry: (index) => {
      const entry: { -readonly [Key in keyof Entry]: Entry[Key] } = { ...data.entry(index) };
      delete entry.segmentations;
      return entry;
    },
  };
}
