/** Notebooks and consoles, as `Reports` sees them. */

import type { Cell, CodeCell } from '@jupyterlab/cells';
import type { ConsolePanel } from '@jupyterlab/console';
import type { NotebookPanel } from '@jupyterlab/notebook';

import type { Host } from './reports';

const isCode = (cell: Cell): cell is CodeCell => cell.model.type === 'code';

/** A notebook. */
export function notebook(panel: NotebookPanel): Host {
  return {
    sessionContext: panel.sessionContext,
    *cells() {
      for (const cell of panel.content.widgets) {
        if (isCode(cell)) {
          yield cell;
        }
      }
    },
    async show(cell) {
      const index = panel.content.widgets.indexOf(cell);
      panel.content.deselectAll();
      panel.content.activeCellIndex = index;
      cell.inputHidden = false;
      await panel.content.scrollToItem(index);
      await cell.ready;
      panel.content.mode = 'edit';
    }
  };
}

/** A console; the cells above its prompt can be read only. */
export function codeConsole(panel: ConsolePanel): Host {
  return {
    sessionContext: panel.sessionContext,
    *cells() {
      for (const cell of panel.console.cells) {
        if (isCode(cell)) {
          yield cell;
        }
      }
    },
    async show(cell) {
      cell.node.scrollIntoView({ block: 'nearest' });
      await cell.ready;
    }
  };
}
