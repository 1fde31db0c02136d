/** The layers that backbones, heads and a user's own modules are made of. */
export * from './activation';
export * from './blocks';
export * from './containers';
export { conv2d } from './conv';
export type { Conv2dOptions } from './conv';
export type { Size2d } from './conv-arguments';
export { convTranspose2d } from './conv-transpose';
export type { ConvTranspose2dOptions } from './conv-transpose';
export * from './deform-conv';
export * from './init';
export * from './linear';
export * from './module';
export * from './norm';
export * from './pooling';
export { defineMethod, tensorForward } from './source';
export type * from './spec';
export { compile, CompiledModule } from './compiled';
export type { CompileOptions, ModuleTensor, Value } from './compiled';
