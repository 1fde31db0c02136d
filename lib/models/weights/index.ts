export { cocoCategories, findWeights, listWeights, type WeightsEntry } from './catalogue';
