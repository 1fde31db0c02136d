// Every block of TypeScript in README.md and docs/ is a whole program that compiles against the public API.
import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';

const ROOT = join(__dirname, '..', '..');

const pages = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs')).map((name) => `docs/${name}`),
].filter((name) => name.endsWith('.md'));

interface Block {
  readonly page: string;
  /** Of its first line, from 1. */
  readonly line: number;
  readonly code: string;
}

function blocksOf(page: string): Block[] {
  const text = readFileSync(join(ROOT, page), 'utf8');
  return [...text.matchAll(/^```ts\n(.*?)^```/gms)].map((match) => ({
    page,
    line: text.slice(0, match.index).split('\n').length + 1,
    code: match[1] ?? '',
  }));
}

/** Compiles all blocks as one program of virtual files and returns what is wrong with them. */
function compile(blocks: readonly Block[]): string[] {
  const options: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    esModuleInterop: true,
    resolveJsonModule: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2022.d.ts', 'lib.esnext.disposable.d.ts'],
    types: ['node'],
    typeRoots: [join(ROOT, 'node_modules', '@types')],
    module: ts.ModuleKind.ESNext,
    moduleResolution: ts.ModuleResolutionKind.Bundler,
    paths: { torchdet: [join(ROOT, 'lib', 'index.ts')] },
  };
  const files = new Map(blocks.map((block, i) => [join(ROOT, 'docs', `block-${i}.ts`), block]));
  const host = ts.createCompilerHost(options);
  const real = ts.createCompilerHost(options);
  host.fileExists = (name) => files.has(name) || real.fileExists(name);
  host.readFile = (name) => files.get(name)?.code ?? real.readFile(name);
  host.getSourceFile = (name, ...rest) => {
    const block = files.get(name);
    if (!block) return real.getSourceFile(name, ...rest);
    // Whatever it imports, a block's names are its own.
    return ts.createSourceFile(name, `${block.code}\nexport {};\n`, ts.ScriptTarget.ES2022);
  };
  const program = ts.createProgram([...files.keys()], options, host);
  return [...files].flatMap(([name, block]) => {
    const source = program.getSourceFile(name);
    if (!source) return [`${block.page}:${block.line}: not compiled`];
    const found = [
      ...program.getSyntacticDiagnostics(source),
      ...program.getSemanticDiagnostics(source),
    ];
    return found.map(({ start = 0, messageText }) => {
      const line = block.line + source.getLineAndCharacterOfPosition(start).line;
      return `${block.page}:${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
    });
  });
}

describe('code in the documentation', function () {
  this.timeout(60_000);

  it('compiles', () => {
    const blocks = pages.flatMap(blocksOf);
    assert.ok(blocks.length >= 1);
    const wrong = compile(blocks);
    assert.equal(wrong.length, 0, `\n${wrong.join('\n')}`);
  });

  it('is told from code that does not compile', () => {
    const code = "import { Detector } from 'torchdet';\nawait Detector.create(7);\n";
    const [wrong] = compile([{ page: 'page.md', line: 10, code }]);
    assert.match(wrong ?? '', /^page\.md:11: .*'7' is not assignable/s);
  });

  it('links to pages and pictures that are there', () => {
    for (const page of pages) {
      const text = readFileSync(join(ROOT, page), 'utf8');
      for (const [, target = ''] of text.matchAll(/\]\(([^)#\s]+)[^)]*\)/g)) {
        if (/^[a-z]+:/.test(target)) continue;
        const folder = page.includes('/') ? join(ROOT, 'docs') : ROOT;
        assert.doesNotThrow(() => readFileSync(join(folder, target)), `${page}: ${target}`);
      }
    }
  });
});
