/**
 * The language of a Rust cell: an outer parser that knows the cell's parts, and JupyterLab's own TOML and Rust inside.
 */

import { Language, LanguageSupport, defineLanguageFacet, foldService, languageDataProp } from '@codemirror/language';
import { EditorState, Extension, Prec, Text } from '@codemirror/state';
import { Input, NodeProp, NodeSet, NodeType, Parser, PartialParse, Tree, TreeFragment, parseMixed } from '@lezer/common';
import { styleTags, tags } from '@lezer/highlight';

import { regions } from './regions';

const data = defineLanguageFacet({});

const NAMES = ['RustCell', 'Magic', 'MagicName', 'Option', 'Value', 'Fence', 'Toml', 'Rust'] as const;
const TYPES = Object.fromEntries(
  NAMES.map((name, id) => [
    name,
    NodeType.define({
      id,
      name,
      top: name === 'RustCell',
      ...(name === 'RustCell' ? { props: [[languageDataProp, data] as [NodeProp<unknown>, unknown]] } : {})
    })
  ])
) as Record<(typeof NAMES)[number], NodeType>;
const NODES = new NodeSet(NAMES.map(name => TYPES[name])).extend(
  styleTags({
    MagicName: tags.keyword,
    Option: tags.attributeName,
    Value: tags.string,
    Fence: tags.meta
  })
);
const type = (name: (typeof NAMES)[number]) => NODES.types[TYPES[name].id]!;

/** The tree of one part: `children` have positions in the cell. */
function node(name: (typeof NAMES)[number], from: number, to: number, children: [Tree, number][] = []): [Tree, number] {
  return [
    new Tree(
      type(name),
      children.map(([tree]) => tree),
      children.map(([, at]) => at - from),
      to - from
    ),
    from
  ];
}

function magic(text: string, from: number): [Tree, number] {
  const words = [...text.matchAll(/"[^"]*"?|'[^']*'?|[^\s'"]+/g)].map((match, index) => {
    const at = from + match.index;
    const name = index === 0 ? 'MagicName' : match[0].startsWith('-') ? 'Option' : 'Value';
    return node(name, at, at + match[0].length);
  });
  return node('Magic', from, from + text.length, words);
}

/** The tree of a cell, in which the nodes `Toml` and `Rust` are empty. */
function outline(doc: Text, length: number): Tree {
  const found = regions(doc);
  const children: [Tree, number][] = [];
  if (found) {
    children.push(...found.magics.map(({ from, to }) => magic(doc.sliceString(from, to), from)));
    if (found.matter) {
      const { from, tomlFrom, tomlTo, to } = found.matter;
      children.push(node('Fence', from, Math.min(doc.lineAt(from).to, tomlFrom)));
      if (tomlFrom < tomlTo) {
        children.push(node('Toml', tomlFrom, tomlTo));
      }
      if (tomlTo < to) {
        children.push(node('Fence', tomlTo, to));
      }
    }
    if (found.rust < length) {
      children.push(node('Rust', found.rust, length));
    }
  }
  return node('RustCell', 0, length, children)[0];
}

/** The outline needs no more of a cell than this: options and front matter are shorter. */
const HEAD = 1 << 16;

/** Makes the outline in one step. */
class Outline implements PartialParse {
  parsedPos = 0;
  stoppedAt: number | null = null;

  constructor(private readonly input: Input) {}

  advance(): Tree {
    this.parsedPos = this.input.length;
    const head = this.input.read(0, Math.min(HEAD, this.input.length));
    return outline(Text.of(head.split('\n')), this.input.length);
  }

  stopAt(position: number): void {
    this.stoppedAt = position;
  }
}

class CellParser extends Parser {
  private readonly nest;

  constructor(rust: Language | null, toml: Language | null) {
    super();
    this.nest = parseMixed(({ type }) => {
      const inner = type.name === 'Rust' ? rust : type.name === 'Toml' ? toml : null;
      return inner ? { parser: inner.parser } : null;
    });
  }

  createParse(
    input: Input,
    fragments: readonly TreeFragment[],
    ranges: readonly { from: number; to: number }[]
  ): PartialParse {
    return this.nest(new Outline(input), input, fragments, ranges);
  }
}

/** What the editor's commands ask for at a position: how comments and brackets are written there. */
const RUST_DATA = [
  {
    commentTokens: { line: '//', block: { open: '/*', close: '*/' } },
    // A quote is more often a lifetime than a character, so it is never doubled.
    closeBrackets: { brackets: ['(', '[', '{', '"'], stringPrefixes: ['b', 'r', 'br'] },
    indentOnInput: /^\s*[{}\])]$/
  }
];
const TOML_DATA = [{ commentTokens: { line: '#' }, closeBrackets: { brackets: ['(', '[', '{', "'", '"'] } }];
const MAGIC_DATA = [{ closeBrackets: { brackets: ["'", '"'] } }];

function dataAt(state: EditorState, position: number): readonly Record<string, unknown>[] {
  const found = regions(state.doc);
  if (!found) {
    return [];
  }
  const { matter, magics } = found;
  if (position <= magics[magics.length - 1]!.to) {
    return MAGIC_DATA;
  }
  return matter && position >= matter.from && position < found.rust ? TOML_DATA : RUST_DATA;
}

/** Front matter folds as a whole. */
const foldMatter = foldService.of((state, lineStart, lineEnd) => {
  const matter = regions(state.doc)?.matter;
  return matter && matter.from === lineStart && matter.tomlTo > lineEnd
    ? { from: lineEnd, to: Math.max(lineEnd, matter.tomlTo - 1) }
    : null;
});

/**
 * The editor extension for a Rust cell.
 *
 * @param rust JupyterLab's Rust, null until it is loaded.
 * @param toml JupyterLab's TOML, likewise.
 */
export function rustCell(rust: LanguageSupport | null, toml: LanguageSupport | null): Extension {
  const language = new Language(data, new CellParser(rust?.language ?? null, toml?.language ?? null), [], 'rust-cell');
  // First of all `dataAt`: with two inner languages, @lezer/common 1.5.0 finds the data of the wrong one.
  return [Prec.highest([EditorState.languageData.of(dataAt), language.extension]), foldMatter];
}
