/**
 * The parts of a Rust cell: its magic lines, its front matter and its Rust.
 *
 * Works on the lines of a cell only, so that a region is known without any parse. The rules are those of the kernel
 * side (`pyo3magic/cell/cell.py`) and of IPython, which ignores empty lines above a cell magic.
 */

import type { Text } from '@codemirror/state';

/** The offsets of the parts of a Rust cell. */
export interface Regions {
  /** The `%%rust` line; with `%%rust_fmt` and the like above it, these lines too. */
  magics: { from: number; to: number }[];
  /** The opening fence, the TOML and the closing fence; null without front matter. */
  matter: { from: number; tomlFrom: number; tomlTo: number; to: number } | null;
  /** Where the Rust begins: the start of a line, or the end of the cell. */
  rust: number;
}

const MAGIC = /^\ufeff?%%rust(?:_fmt|_clippy|_expand)?(?=\s|$)/;
const FENCE = /^(-{3,})[ \t]*(?:cargo|toml)?[ \t]*$/;
const SHEBANG = /^#!(?!\[)/;
/** Front matter is looked for in so many lines; a longer one would be no front matter. */
const LONGEST = 1000;

/** Whether the text is a cell that pyo3magic reads as Rust. Looks at its first line only, and at blank lines above. */
export function isRust(doc: Text): boolean {
  return magicLine(doc) > 0;
}

/** The number of the `%%rust` line, from 1; 0 if the text is not a Rust cell. */
export function magicLine(doc: Text): number {
  for (let number = 1; number <= doc.lines && number <= LONGEST; number++) {
    const { text } = doc.line(number);
    if (text.trim()) {
      return MAGIC.test(text) ? number : 0;
    }
  }
  return 0;
}

/** The parts of a Rust cell; null for any other text. */
export function regions(doc: Text): Regions | null {
  let number = magicLine(doc);
  if (!number) {
    return null;
  }
  const magics = [];
  for (; number <= doc.lines && MAGIC.test(doc.line(number).text); number++) {
    const { from, to } = doc.line(number);
    magics.push({ from, to });
  }
  const rust = number <= doc.lines ? doc.line(number).from : doc.length;
  const blank = () => number <= doc.lines && !doc.line(number).text.trim();
  while (blank()) {
    number++;
  }
  if (number <= doc.lines && SHEBANG.test(doc.line(number).text)) {
    do {
      number++;
    } while (blank());
  }
  const fence = number <= doc.lines ? FENCE.exec(doc.line(number).text)?.[1] : undefined;
  if (fence) {
    const opening = doc.line(number);
    const last = Math.min(doc.lines, number + LONGEST);
    while (++number <= last) {
      const line = doc.line(number);
      if (line.text.trimEnd() === fence) {
        const tomlFrom = Math.min(opening.to + 1, line.from);
        const matter = { from: opening.from, tomlFrom, tomlTo: line.from, to: line.to };
        return { magics, matter, rust: Math.min(line.to + 1, doc.length) };
      }
    }
    // Not closed yet: whoever is typing it has TOML as far as the next blank line.
    number = doc.lineAt(opening.from).number + 1;
    while (number <= last && doc.line(number).text.trim()) {
      number++;
    }
    const end = number <= doc.lines ? doc.line(number).from : doc.length;
    return { magics, matter: { from: opening.from, tomlFrom: opening.to, tomlTo: end, to: end }, rust: end };
  }
  return { magics, matter: null, rust };
}
