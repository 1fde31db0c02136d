/**
 * What a module is before LibTorch compiles it: data. Everything in lib/nn and lib/backbones returns one of these; the
 * native compiler (native/script/compiler.cc) walks the tree bottom-up and makes a TorchScript module of it.
 */

/** How a parameter's or buffer's first values are drawn; names and formulas are those of `torch.nn.init`. */
export type Initializer =
  | { readonly kind: 'constant'; readonly value: number }
  | { readonly kind: 'normal'; readonly mean: number; readonly std: number }
  | { readonly kind: 'uniform'; readonly low: number; readonly high: number }
  | {
      readonly kind: 'kaimingUniform' | 'kaimingNormal';
      /** Negative slope of the rectifier. */
      readonly a: number;
      readonly mode: 'fanIn' | 'fanOut';
      readonly nonlinearity: 'relu' | 'leakyRelu' | 'linear';
    }
  | { readonly kind: 'xavierUniform'; readonly gain: number };

/** A trainable float32 tensor. */
export interface ParameterSpec {
  readonly shape: readonly number[];
  readonly init: Initializer;
  /** False for a parameter that is frozen from the start. Default true. */
  readonly requiresGrad?: boolean;
}

/** A tensor in the state dict that is not trained. */
export interface BufferSpec {
  readonly shape: readonly number[];
  readonly dtype: 'float32' | 'int64';
  readonly value: number;
}

/** A plain value that the TorchScript source reads as `self.name` and `setAttribute` may change later. */
export interface AttributeSpec {
  readonly type: 'int' | 'float' | 'bool' | 'str' | 'List[int]' | 'List[float]';
  readonly value: number | boolean | string | readonly number[];
}

/**
 * One module: its tensors, attributes, children in registration order, and TorchScript source.
 *
 * `source` holds one or more `def` blocks starting at column 0, body indented by four spaces. It may use `torch.<aten op>`,
 * `ops.<namespace>.<op>` and `self`; children with numeric names are reached by `getattr(self, "0").forward(x)`. A bool
 * attribute `training` is always there. Numbers that never change are written into the source. An empty source is right for
 * a container whose parent calls the children.
 */
export interface ModuleSpec {
  /** Class name, for messages and the archive, for example `Conv2d`. */
  readonly type: string;
  readonly parameters?: Readonly<Record<string, ParameterSpec>>;
  readonly buffers?: Readonly<Record<string, BufferSpec>>;
  readonly attributes?: Readonly<Record<string, AttributeSpec>>;
  /** [name, module] pairs: a list and not an object, since JavaScript objects put numeric names first. */
  readonly children?: readonly (readonly [name: string, child: ModuleSpec])[];
  readonly source: string;
}
