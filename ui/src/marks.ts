/** The compiler's messages at their places in an editor: underlined, in the gutter, with quick fixes. */

import { Action, Diagnostic as LintDiagnostic, linter, lintGutter } from '@codemirror/lint';
import { nextDiagnostic, previousDiagnostic, setDiagnosticsEffect } from '@codemirror/lint';
import { ChangeDesc, Compartment, EditorState, Extension, Prec, StateEffect, StateField, Text } from '@codemirror/state';
import { Command, EditorView, keymap, showTooltip, Tooltip, tooltips } from '@codemirror/view';

import { difference, offset } from './places';
import type { Diagnostic, Report } from './protocol';

/** A machine-applicable suggestion of the compiler, at its current place. */
interface Fix {
  /** Which suggestion of which report it is, so that buttons in outputs find it. */
  key: string;
  message: string;
  edits: { from: number; to: number; text: string; replacement: string }[];
}

interface Mark {
  spans: { from: number; to: number }[];
  severity: 'error' | 'warning' | 'info';
  message: string;
  source: string;
  fixes: Fix[];
}

const setMarks = StateEffect.define<readonly Mark[]>();
const gutter = new Compartment();

const marks = StateField.define<readonly Mark[]>({
  create: () => [],
  update(value, transaction) {
    let found = transaction.docChanged ? moved(value, transaction.changes) : value;
    for (const effect of transaction.effects) {
      if (effect.is(setMarks)) {
        found = effect.value;
      }
    }
    return found;
  }
});

/** The marks after a change; without those whose text it touches. */
function moved(value: readonly Mark[], changes: ChangeDesc): readonly Mark[] {
  const untouched = ({ from, to }: { from: number; to: number }) => !changes.touchesRange(from, to);
  const shifted = <T extends { from: number; to: number }>(range: T): T => {
    const from = changes.mapPos(range.from, 1);
    return { ...range, from, to: Math.max(from, changes.mapPos(range.to, -1)) };
  };
  return value
    .filter(mark => mark.spans.every(untouched))
    .map(mark => ({
      ...mark,
      spans: mark.spans.map(shifted),
      fixes: mark.fixes.filter(fix => fix.edits.every(untouched)).map(fix => ({ ...fix, edits: fix.edits.map(shifted) }))
    }));
}

/** Takes a mark away in the transaction that changes its text. */
const drop = EditorState.transactionExtender.of(transaction => {
  const before = transaction.startState.field(marks, false);
  if (!transaction.docChanged || !before?.length) {
    return null;
  }
  const after = moved(before, transaction.changes);
  const fixes = (value: readonly Mark[]) => value.reduce((sum, mark) => sum + mark.fixes.length, 0);
  return after.length === before.length && fixes(after) === fixes(before) ? null : { effects: shown(after) };
});

/** The effects that make an editor show marks. */
function shown(value: readonly Mark[]): StateEffect<unknown>[] {
  return [setDiagnosticsEffect.of(value.flatMap(linted)), gutter.reconfigure(value.length ? lintGutter() : [])];
}

function linted(mark: Mark): LintDiagnostic[] {
  const actions: Action[] = mark.fixes.map(fix => ({
    name: `Fix: ${fix.message}`,
    apply: view => void applyFix(view, fix.key)
  }));
  const { severity, message, source } = mark;
  return mark.spans.map(({ from, to }) => ({ from, to, severity, message, source, actions }));
}

function made(doc: Text, diagnostic: Diagnostic, key: string): Mark {
  const { level } = diagnostic;
  const severity = level.startsWith('error') ? 'error' : level === 'warning' ? 'warning' : 'info';
  const ends = (range: { line: number; column: number; end_line: number; end_column: number }) => {
    const from = offset(doc, range.line, range.column);
    return { from, to: Math.max(from, offset(doc, range.end_line, range.end_column)) };
  };
  const primary = diagnostic.spans.filter(span => span.primary);
  const labels = [...new Set(primary.map(({ label }) => label).filter(label => label))];
  return {
    spans: primary.map(ends),
    severity,
    message: [`${severity}: ${diagnostic.message}`, ...labels].join('\n'),
    source: diagnostic.code ?? '',
    fixes: diagnostic.suggestions.map(({ message, edits }, index) => ({
      key: fixKey(key, index),
      message,
      edits: edits.map(edit => ({ ...ends(edit), text: edit.text, replacement: edit.replacement }))
    }))
  };
}

/** The key of a suggestion: a report's key and the diagnostic's number in it, then the suggestion's number. */
export function fixKey(diagnostic: string, index: number): string {
  return `${diagnostic}/${index}`;
}

/**
 * Show a report in an editor. What has changed since the build started has no marks.
 *
 * @param code the text that was built.
 * @param key what distinguishes the report from others.
 */
export function showReport(view: EditorView, report: Report, code: string, key: string): void {
  if (view.state.field(marks, false) === undefined) {
    return; // no Rust cell any more
  }
  const doc = Text.of(code.split('\n'));
  const all = report.diagnostics.map((diagnostic, index) => made(doc, diagnostic, `${key}/${index}`));
  const current = moved(
    all.filter(mark => mark.spans.length),
    difference(code, view.state.doc.toString())
  );
  view.dispatch({ effects: [setMarks.of(current), ...shown(current)] });
}

/** Take all marks away. */
export function clearMarks(view: EditorView): void {
  if (view.state.field(marks, false)?.length) {
    view.dispatch({ effects: [setMarks.of([]), ...shown([])] });
  }
}

/** Change the text as the compiler suggests; false if the text is no longer what the compiler read. */
export function applyFix(view: EditorView, key: string): boolean {
  const fixes = view.state.field(marks, false)?.flatMap(mark => mark.fixes) ?? [];
  const fix = fixes.find(item => item.key === key);
  const fits = fix?.edits.every(({ from, to, text }) => view.state.sliceDoc(from, to) === text);
  if (!fix || !fits || view.state.readOnly) {
    return false;
  }
  view.dispatch({
    changes: fix.edits.map(({ from, to, replacement }) => ({ from, to, insert: replacement })),
    userEvent: 'input.fix',
    scrollIntoView: true
  });
  return true;
}

/** After F8, the message stands at the cursor until the cursor moves, so that nobody needs a mouse to read it. */
const message = StateField.define<Tooltip | null>({
  create: () => null,
  update: (value, transaction) => {
    const opened = transaction.effects.find(effect => effect.is(openMessage));
    return opened ? (opened.value as Tooltip) : transaction.docChanged || transaction.selection ? null : value;
  },
  provide: field => showTooltip.from(field)
});
const openMessage = StateEffect.define<Tooltip>();

function told(command: Command): Command {
  return view => {
    if (!view.state.field(marks).length) {
      return false;
    }
    // False: the only mark is selected already.
    command(view);
    const { from, to } = view.state.selection.main;
    const here = view.state.field(marks).filter(mark => mark.spans.some(span => span.from === from && span.to === to));
    if (here.length) {
      const create = () => ({ dom: messages(view, here) });
      view.dispatch({ effects: openMessage.of({ pos: from, above: true, create }) });
    }
    return true;
  };
}

function messages(view: EditorView, here: readonly Mark[]): HTMLElement {
  const dom = document.createElement('div');
  dom.className = 'cm-tooltip-lint';
  dom.setAttribute('role', 'alert');
  for (const mark of here) {
    const item = dom.appendChild(document.createElement('div'));
    item.className = `cm-diagnostic cm-diagnostic-${mark.severity}`;
    item.append(Object.assign(document.createElement('span'), { textContent: mark.message }));
    for (const fix of mark.fixes) {
      const button = item.appendChild(document.createElement('button'));
      button.className = 'cm-diagnosticAction';
      button.textContent = `Fix: ${fix.message}`;
      button.onclick = () => {
        applyFix(view, fix.key);
        view.focus();
      };
    }
    if (mark.source) {
      item.append(
        Object.assign(document.createElement('div'), { className: 'cm-diagnosticSource', textContent: mark.source })
      );
    }
  }
  return dom;
}

const theme = EditorView.theme({
  '.cm-lintRange': { backgroundImage: 'none', textDecorationLine: 'underline', textDecorationSkipInk: 'none' },
  '.cm-lintRange-error': { textDecorationStyle: 'wavy', textDecorationColor: 'var(--jp-error-color1, #d32f2f)' },
  '.cm-lintRange-warning': { textDecorationStyle: 'dashed', textDecorationColor: 'var(--jp-warn-color1, #f57c00)' },
  '.cm-lintRange-info': { textDecorationStyle: 'dotted', textDecorationColor: 'var(--jp-info-color1, #0097a7)' },
  '.cm-lintRange-active': { backgroundColor: 'var(--jp-layout-color3, #8884)' },
  '.cm-lintPoint:after': { borderBottomColor: 'var(--jp-error-color1, #d32f2f)' },
  '.cm-lintPoint-warning:after': { borderBottomColor: 'var(--jp-warn-color1, #f57c00)' },
  '.cm-gutter-lint': { width: '1.2em' },
  '.cm-lint-marker': { width: '1em', height: '1em', lineHeight: '1', textAlign: 'center' },
  '.cm-lint-marker-error, .cm-lint-marker-warning, .cm-lint-marker-info': { content: 'normal' },
  '.cm-lint-marker-error:before': { content: '"●"', color: 'var(--jp-error-color1, #d32f2f)' },
  '.cm-lint-marker-warning:before': { content: '"▲"', color: 'var(--jp-warn-color1, #f57c00)' },
  '.cm-lint-marker-info:before': { content: '"■"', color: 'var(--jp-info-color1, #0097a7)' },
  '.cm-diagnostic-error': { borderLeftColor: 'var(--jp-error-color1, #d32f2f)' },
  '.cm-diagnostic-warning': { borderLeftColor: 'var(--jp-warn-color1, #f57c00)' },
  '.cm-diagnostic-info': { borderLeftColor: 'var(--jp-info-color1, #0097a7)' },
  '&.cm-tooltip, .cm-tooltip': {
    backgroundColor: 'var(--jp-layout-color1, #fff)',
    color: 'var(--jp-ui-font-color1, #000)',
    border: '1px solid var(--jp-border-color1, #bdbdbd)',
    fontFamily: 'var(--jp-code-font-family, monospace)',
    fontSize: 'var(--jp-code-font-size, 13px)',
    maxWidth: '50em',
    zIndex: '1000'
  },
  '.cm-diagnosticAction': {
    backgroundColor: 'var(--jp-layout-color3, #bdbdbd)',
    color: 'var(--jp-ui-font-color1, #000)',
    display: 'block',
    margin: '4px 0 2px'
  }
});

/** The extension that editors with Rust have; it costs nothing until there is a report. */
export const markable: Extension = [
  marks,
  drop,
  message,
  linter(null),
  gutter.of([]),
  theme,
  tooltips({ parent: document.body }),
  Prec.high(keymap.of([{ key: 'F8', run: told(nextDiagnostic), shift: told(previousDiagnostic) }]))
];
