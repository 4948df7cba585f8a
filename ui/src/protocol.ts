/** What the kernel says about a cell; `docs/protocol.md` has the words, `pyo3magic/diagnostics/front_end.py` the other end. */

/** A range of the cell: lines and columns from 1, columns in characters (code points), the end exclusive. */
export interface Range {
  line: number;
  column: number;
  end_line: number;
  end_column: number;
}

export interface Span extends Range {
  primary: boolean;
  label: string | null;
}

export interface Edit extends Range {
  /** What the range contained when the compiler read it. */
  text: string;
  replacement: string;
}

export interface Suggestion {
  message: string;
  edits: Edit[];
}

export interface Diagnostic {
  level: string;
  message: string;
  code: string | null;
  url: string | null;
  spans: Span[];
  suggestions: Suggestion[];
}

/** The diagnostics of one build. */
export interface Report {
  version: 1;
  /** The cell's name, `In[3]`. */
  cell: string;
  diagnostics: Diagnostic[];
}

/** The report that travels with a displayed output; null without one, and for a version that is not known here. */
export function report(transient: unknown): Report | null {
  const found = (transient as { pyo3magic?: Partial<Report> } | undefined)?.pyo3magic;
  return found?.version === 1 && found.cell && Array.isArray(found.diagnostics) ? (found as Report) : null;
}
