// The embedded detector's description against the weights that ship with the package.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { personDetector } from '../../lib/models';
import { stateOf } from '../../lib/nn';

const WEIGHTS = path.join(__dirname, '../../assets/person-mobilenetv2-fpn.safetensors');

type Header = Readonly<Record<string, { shape?: readonly number[]; architecture?: string }>>;

describe('the embedded person detector', () => {
  let header: Header;
  before(() => {
    const bytes = readFileSync(WEIGHTS);
    const length = Number(bytes.readBigUInt64LE(0));
    header = JSON.parse(bytes.toString('utf8', 8, 8 + length)) as Header;
  });

  it('has the tensors of its weights', () => {
    const shipped = Object.entries(header).flatMap(([name, { shape }]) =>
      name === '__metadata__' ? [] : [`${name} ${(shape ?? []).join('x')}`],
    );
    const described = [...stateOf(personDetector().module)].map(
      ({ name, shape }) => `${name} ${shape.join('x')}`,
    );
    assert.deepEqual(described.sort(), shipped.sort());
  });

  it('has the numbers its weights were trained with', () => {
    const trained = JSON.parse(header.__metadata__?.architecture ?? '') as Record<string, unknown>;
    const { config, categories, description } = personDetector();
    const { transform, anchors, rpn, roiHeads } = config;
    assert.deepEqual(
      {
        model: 'fasterrcnn',
        backbone: description.backbone.name,
        norm: description.backbone.options.norm ?? 'frozen',
        returned_layers: description.backbone.options.returnedLayers,
        out_channels: description.backbone.options.outChannels,
        anchor_sizes: anchors.sizes,
        aspect_ratios: anchors.aspectRatios[0],
        roi_featmap_names: roiHeads.boxRoiPool.featmapNames,
        roi_output_size: roiHeads.boxRoiPool.outputSize[0],
        roi_sampling_ratio: roiHeads.boxRoiPool.samplingRatio,
        representation_size: 256,
        min_size: transform.minSize[0],
        max_size: transform.maxSize,
        image_mean: transform.imageMean,
        image_std: transform.imageStd,
        rpn_pre_nms_top_n_test: rpn.preNmsTopNTest,
        rpn_post_nms_top_n_test: rpn.postNmsTopNTest,
        rpn_nms_thresh: rpn.nmsThresh,
        rpn_score_thresh: rpn.scoreThresh,
        box_score_thresh: roiHeads.scoreThresh,
        box_nms_thresh: roiHeads.nmsThresh,
        box_detections_per_img: roiHeads.detectionsPerImg,
        class_names: categories,
      },
      trained,
    );
  });
});
