/** Follows what a kernel says, and brings its reports to the editors and outputs of the cells that they are about. */

import type { ISessionContext } from '@jupyterlab/apputils';
import type { CodeCell } from '@jupyterlab/cells';
import type { CodeMirrorEditor } from '@jupyterlab/codemirror';
import type { KernelMessage } from '@jupyterlab/services';
import { Text } from '@codemirror/state';

import { applyFix, clearMarks, fixKey, showReport } from './marks';
import { Actions, decorate, hasPlaces, shows } from './outputs';
import { difference, offset } from './places';
import { Report, report } from './protocol';
import { isRust } from './regions';

/** A document with code cells: a notebook or a console. */
export interface Host {
  sessionContext: ISessionContext;
  cells(): Iterable<CodeCell>;
  /** Bring a cell into view and give its editor the focus. */
  show(cell: CodeCell): Promise<void>;
}

/** A Rust cell as it was run. */
interface Run {
  cell: CodeCell;
  code: string;
}

const view = (cell: CodeCell) => (cell.editor as CodeMirrorEditor | null)?.editor ?? null;

/** The cells that were run in one document. */
export class Reports implements Actions {
  private readonly runs = new Map<number, Run>();
  private readonly keys = new Map<Report, { run: Run; key: string }>();
  private count = 0;

  constructor(private readonly host: Host) {
    host.sessionContext.iopubMessage.connect((_, message) => this.receive(message));
    host.sessionContext.statusChanged.connect((_, status) => {
      if (status === 'restarting' || status === 'autorestarting') {
        this.runs.clear();
      }
    });
  }

  /** Make the links of outputs that were saved. */
  decorateSaved(): void {
    for (const { outputArea } of this.host.cells()) {
      for (let index = 0; index < outputArea.model.length; index++) {
        if (hasPlaces(outputArea.model.get(index))) {
          decorate(outputArea, this);
          break;
        }
      }
    }
  }

  goTo(execution: number, line: number, column: number): void {
    const run = this.runs.get(execution) ?? this.saved(execution);
    if (!run || run.cell.isDisposed) {
      return;
    }
    const { cell, code } = run;
    void this.host.show(cell).then(() => {
      const now = cell.model.sharedModel.getSource();
      const at = difference(code, now).mapPos(offset(Text.of(code.split('\n')), line, column));
      const found = Text.of(now.split('\n')).lineAt(at);
      cell.editor?.setCursorPosition({ line: found.number - 1, column: at - found.from });
      cell.editor?.focus();
    });
  }

  fix(about: Report, diagnostic: number, suggestion: number): boolean {
    const found = this.keys.get(about);
    const editor = found && !found.run.cell.isDisposed ? view(found.run.cell) : null;
    return !!found && !!editor && applyFix(editor, fixKey(`${found.key}/${diagnostic}`, suggestion));
  }

  editable(about: Report): boolean {
    const cell = this.keys.get(about)?.run.cell;
    return !!cell && !cell.isDisposed && !cell.readOnly;
  }

  private receive(message: KernelMessage.IMessage): void {
    const { msg_type: kind } = message.header;
    if (kind === 'execute_input') {
      this.started(message as KernelMessage.IExecuteInputMsg);
    } else if (kind === 'display_data' || kind === 'error' || kind === 'stream' || kind === 'execute_result') {
      this.shown(message);
    }
  }

  private started(message: KernelMessage.IExecuteInputMsg): void {
    const { code, execution_count: execution } = message.content;
    const cell = isRust(Text.of(code.split('\n'))) ? this.runBy(message) : null;
    if (cell && execution !== null) {
      this.runs.set(execution, { cell, code });
      for (const [about, { run }] of this.keys) {
        if (run.cell === cell || run.cell.isDisposed) {
          this.keys.delete(about);
        }
      }
      const editor = view(cell);
      if (editor) {
        clearMarks(editor);
      }
    }
  }

  private shown(message: KernelMessage.IMessage): void {
    const about = report((message.content as { transient?: unknown }).transient);
    const cell = about || JSON.stringify(message.content).includes('In[') ? this.runBy(message) : null;
    if (about) {
      const run = this.runs.get(Number(/\d+/.exec(about.cell)?.[0]));
      if (run) {
        const key = String(this.count++);
        this.keys.set(about, { run, key });
        void run.cell.ready.then(() => {
          const editor = view(run.cell);
          if (editor && this.keys.has(about)) {
            showReport(editor, about, run.code, key);
          }
        });
      }
      if (cell) {
        shows(cell.outputArea, about);
      }
    }
    if (cell) {
      decorate(cell.outputArea, this);
    }
  }

  /** The cell whose run a message belongs to. */
  private runBy(message: KernelMessage.IMessage): CodeCell | null {
    const { msg_id: id } = message.parent_header as { msg_id?: string };
    for (const cell of this.host.cells()) {
      if (id && cell.outputArea.future?.msg.header.msg_id === id) {
        return cell;
      }
    }
    return null;
  }

  /** A cell that was run before the document was opened. */
  private saved(execution: number): Run | null {
    for (const cell of this.host.cells()) {
      if (cell.model.executionCount === execution) {
        return { cell, code: cell.model.sharedModel.getSource() };
      }
    }
    return null;
  }
}
