/** Places in the output of a cell as links, and the compiler's suggestions as buttons under its messages. */

import type { OutputArea } from '@jupyterlab/outputarea';
import type { IOutputModel } from '@jupyterlab/rendermime';

import { PLACE } from './places';
import type { Report } from './protocol';

/** What links and buttons do. */
export interface Actions {
  /** Put the cursor at a place. */
  goTo(execution: number, line: number, column: number): void;
  /** Apply a suggestion; false if the text has changed. */
  fix(report: Report, diagnostic: number, suggestion: number): boolean;
  /** Whether the text of the report's cell can be changed. */
  editable(report: Report): boolean;
}

const reports = new WeakMap<IOutputModel, Report>();
const observed = new WeakSet<OutputArea>();

/** Note that the latest output of an area shows a report. */
export function shows(area: OutputArea, report: Report): void {
  const { model } = area;
  if (model.length) {
    reports.set(model.get(model.length - 1), report);
  }
}

/** Whether an output has places in it. */
export function hasPlaces(model: IOutputModel): boolean {
  const { data } = model;
  return ['text/html', 'text/plain', 'application/vnd.jupyter.stderr', 'application/vnd.jupyter.stdout'].some(mime => {
    const text = data[mime];
    return typeof text === 'string' && text.search(PLACE) >= 0;
  });
}

/** Put links and buttons into an output area, now and whenever an output is rendered in it. */
export function decorate(area: OutputArea, actions: Actions): void {
  const once = () => {
    links(area.node, actions);
    for (let index = 0; index < Math.min(area.model.length, area.widgets.length); index++) {
      const report = reports.get(area.model.get(index));
      if (report) {
        buttons(area.widgets[index]!.node, report, actions);
      }
    }
  };
  once();
  if (observed.has(area)) {
    return;
  }
  observed.add(area);
  const observer = new MutationObserver(once);
  observer.observe(area.node, { childList: true, subtree: true, characterData: true });
  area.disposed.connect(() => observer.disconnect());
}

function links(node: HTMLElement, actions: Actions): void {
  const walker = document.createTreeWalker(node, NodeFilter.SHOW_TEXT);
  const texts: Text[] = [];
  while (walker.nextNode()) {
    const text = walker.currentNode as Text;
    if (text.data.search(PLACE) >= 0 && !text.parentElement?.closest('a, button, input, .cm-editor')) {
      texts.push(text);
    }
  }
  for (const text of texts) {
    const parts: Node[] = [];
    let at = 0;
    for (const match of text.data.matchAll(PLACE)) {
      const [execution, line, column] = match.slice(1).map(Number) as [number, number, number];
      const link = document.createElement('a');
      link.className = 'pyo3magic-place';
      link.href = '#';
      link.textContent = match[0];
      link.title = 'Put the cursor there';
      link.onclick = event => {
        event.preventDefault();
        event.stopPropagation();
        actions.goTo(execution, line, column);
      };
      parts.push(document.createTextNode(text.data.slice(at, match.index)), link);
      at = match.index + match[0].length;
    }
    text.replaceWith(...parts, document.createTextNode(text.data.slice(at)));
  }
}

function buttons(node: HTMLElement, report: Report, actions: Actions): void {
  const pre = [...node.querySelectorAll('pre.pyo3magic-diagnostics')].pop();
  const parent = (pre?.closest('details') ?? pre)?.parentElement;
  if (!parent || node.querySelector('.pyo3magic-fixes') || !actions.editable(report)) {
    return;
  }
  const box = document.createElement('div');
  box.className = 'pyo3magic-fixes';
  report.diagnostics.forEach(({ suggestions }, diagnostic) =>
    suggestions.forEach(({ message, edits }, index) => {
      const button = box.appendChild(document.createElement('button'));
      const { line, column } = edits[0]!;
      button.className = 'jp-mod-styled pyo3magic-fix';
      button.textContent = `Fix line ${line}: ${message}`;
      button.title = `${report.cell}:${line}:${column}`;
      button.onclick = () => {
        const done = actions.fix(report, diagnostic, index);
        button.disabled = true;
        button.title = done ? 'The cell has been changed.' : 'The text there has changed since. Run the cell again.';
        button.classList.toggle('pyo3magic-stale', !done);
      };
    })
  );
  if (box.childElementCount) {
    parent.append(box);
  }
}
