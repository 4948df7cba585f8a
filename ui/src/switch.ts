/**
 * Switches an editor to Rust and back by the first line of its text, in the same transaction that changes it.
 *
 * The cell's mime type is left alone: JupyterLab sets it for each cell when the kernel says what language it runs.
 * An editor without Rust has one extension that reads the start of the text after each change, and nothing else.
 */

import { Compartment, EditorState, Extension, StateEffect, StateField } from '@codemirror/state';
import { EditorView, ViewPlugin } from '@codemirror/view';
import type { IEditorLanguageRegistry } from '@jupyterlab/codemirror';

import { rustCell } from './language';
import { isRust } from './regions';

/** Loads JupyterLab's Rust and TOML when the first Rust cell is shown, and gives the extension of such cells. */
export class RustCells {
  private current: Extension = rustCell(null, null);
  private loading: Promise<void> | null = null;
  private loaded = false;

  /**
   * @param languages JupyterLab's languages.
   * @param also what else a Rust cell has.
   */
  constructor(
    private readonly languages: IEditorLanguageRegistry,
    private readonly also: Extension
  ) {}

  /** The extension of one editor. */
  extension(source: string): Extension {
    const compartment = new Compartment();
    const shown = (rust: boolean): Extension => (rust ? [this.current, this.waiting(compartment), this.also] : []);
    const initially = isRust(EditorState.create({ doc: source }).doc);
    const active = StateField.define<boolean>({
      create: state => isRust(state.doc),
      update: (rust, transaction) => (transaction.docChanged ? isRust(transaction.newDoc) : rust)
    });
    const follow = EditorState.transactionExtender.of(transaction => {
      if (!transaction.docChanged) {
        return null;
      }
      const rust = isRust(transaction.newDoc);
      if (rust === transaction.startState.field(active)) {
        return null;
      }
      return { effects: compartment.reconfigure(shown(rust)) };
    });
    return [active, compartment.of(shown(initially)), follow];
  }

  /** Until the languages are there: a view plugin that puts them in when they come. */
  private waiting(compartment: Compartment): Extension {
    if (this.loaded) {
      return [];
    }
    return ViewPlugin.define(view => {
      let alive = true;
      void this.load().then(() => {
        if (alive && compartment.get(view.state)) {
          this.put(view, compartment.reconfigure([this.current, this.also]));
        }
      });
      return {
        destroy: () => {
          alive = false;
        }
      };
    });
  }

  private put(view: EditorView, effect: StateEffect<unknown>): void {
    if (isRust(view.state.doc)) {
      view.dispatch({ effects: effect });
    }
  }

  private load(): Promise<void> {
    this.loading ??= (async () => {
      const found = await Promise.all(['rust', 'toml'].map(name => this.languages.getLanguage(name)));
      this.current = rustCell(found[0]?.support ?? null, found[1]?.support ?? null);
      this.loaded = true;
    })();
    return this.loading;
  }
}
