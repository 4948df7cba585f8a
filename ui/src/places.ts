/** Positions that the compiler counts, as positions in an editor, also after the text has changed. */

import { ChangeSet, Text } from '@codemirror/state';

import { magicLine } from './regions';

/** How a place is written in messages: `In[3]:4:9` by the compiler, `In[3], line 4, column 9` in panics. */
export const PLACE = /\bIn\s?\[(\d+)\](?::|, line )(\d+)(?::|, column )(\d+)/g;

/**
 * The offset of a line and column, both from 1. Columns count characters, of which some have two code units.
 *
 * IPython drops blank lines above the `%%rust` line, so the compiler does not count them.
 */
export function offset(doc: Text, line: number, column: number): number {
  const number = line + Math.max(magicLine(doc), 1) - 1;
  if (number > doc.lines) {
    return doc.length;
  }
  const { from, text } = doc.line(Math.max(number, 1));
  let units = 0;
  for (let left = column - 1; left > 0 && units < text.length; left--) {
    units += text.codePointAt(units)! > 0xffff ? 2 : 1;
  }
  return from + units;
}

/** The change that made one text of another, as one replacement between what is the same at both ends. */
export function difference(before: string, after: string): ChangeSet {
  const shorter = Math.min(before.length, after.length);
  let start = 0;
  while (start < shorter && before[start] === after[start]) {
    start++;
  }
  let end = 0;
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) {
    end++;
  }
  const insert = after.slice(start, after.length - end);
  const changes = insert || start + end < before.length ? [{ from: start, to: before.length - end, insert }] : [];
  return ChangeSet.of(changes, before.length);
}
