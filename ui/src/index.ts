/** The JupyterLab and Notebook extension of pyo3magic. */

import type { JupyterFrontEnd, JupyterFrontEndPlugin } from '@jupyterlab/application';
import { EditorExtensionRegistry, IEditorExtensionRegistry, IEditorLanguageRegistry } from '@jupyterlab/codemirror';

import { IConsoleTracker } from '@jupyterlab/console';
import { INotebookTracker } from '@jupyterlab/notebook';

import { codeConsole, notebook } from './hosts';
import { markable } from './marks';
import { Reports } from './reports';
import { RustCells } from './switch';

const languages: JupyterFrontEndPlugin<void> = {
  id: 'pyo3magic:language',
  description: 'Rust in cells that begin with %%rust.',
  autoStart: true,
  requires: [IEditorExtensionRegistry, IEditorLanguageRegistry],
  activate: (_: JupyterFrontEnd, extensions: IEditorExtensionRegistry, registry: IEditorLanguageRegistry) => {
    const cells = new RustCells(registry, markable);
    extensions.addExtension({
      name: 'pyo3magic:language',
      factory: ({ model }) =>
        EditorExtensionRegistry.createImmutableExtension(cells.extension(model.sharedModel.getSource()))
    });
  }
};

const errors: JupyterFrontEndPlugin<void> = {
  id: 'pyo3magic:errors',
  description: "The Rust compiler's messages at their places in the cells.",
  autoStart: true,
  optional: [INotebookTracker, IConsoleTracker],
  activate: (_: JupyterFrontEnd, notebooks: INotebookTracker | null, consoles: IConsoleTracker | null) => {
    notebooks?.widgetAdded.connect((_, panel) => {
      const reports = new Reports(notebook(panel));
      void panel.revealed.then(() => {
        reports.decorateSaved();
      });
    });
    consoles?.widgetAdded.connect((_, panel) => {
      new Reports(codeConsole(panel));
    });
  }
};

export default [languages, errors];
