// The two data transforms of F(4x4, 3x3) over vectors of channels. Pointers in, pointers out; they
// own nothing.
#pragma once

#include <cstdint>

#include "epilogue.h"

namespace torchdet::ops::winograd {

constexpr int kTile = 4;           // outputs of a tile, each way
constexpr int kPatch = kTile + 2;  // inputs of a tile, each way
constexpr int kPoints = kPatch * kPatch;

// Maps of one image or a batch, channels last.
struct Extent {
  int64_t channels, height, width;
  int64_t tiles_across() const { return (width + kTile - 1) / kTile; }
  int64_t tiles_down() const { return (height + kTile - 1) / kTile; }
  int64_t tiles() const { return tiles_across() * tiles_down(); }
};

// Where the values of tiles lie while they are points: point p of the tile number i at
// p * point + i * tile.
struct Strides {
  int64_t point, tile;
};

// Tiles [begin, end) of the batch (image by image, row by row) of `input`, B^T d B, to `out`, which
// begins with tile `begin`. `zeros` are as many as there are channels.
void transform_input(const float* input, const Extent& extent, int64_t begin, int64_t end,
                     const float* zeros, float* out, const Strides& strides);

// A^T m A of what the products gave, laid out likewise, through the epilogue to the maps.
void transform_output(const float* products, const Extent& extent, int64_t begin, int64_t end,
                      const Strides& strides, const Epilogue& epilogue, float* output);

}  // namespace torchdet::ops::winograd
