// What can go wrong with a call, as the pages show it.

/** One field that the control plane refused. */
export interface Problem {
  field: string
  message: string
}

/** A call that failed. status 0 means that the control plane did not answer. */
export class CallError extends Error {
  constructor(
    readonly status: number,
    readonly detail: string,
    readonly problems: Problem[] = [],
  ) {
    super(detail)
    this.name = 'CallError'
  }
}

interface ProblemDocument {
  title?: unknown
  detail?: unknown
  errors?: unknown
}

/** Reads a problem document (RFC 9457), or whatever came in its place. */
export function fromProblem(status: number, body: unknown): CallError {
  const p: ProblemDocument = typeof body === 'object' && body !== null ? body : {}
  const detail = [p.detail, p.title].find((v): v is string => typeof v === 'string' && v !== '')
  const list = Array.isArray(p.errors) ? p.errors : []
  const problems = list.flatMap((e: { location?: unknown; message?: unknown }) =>
    typeof e?.message === 'string'
      ? [{ field: typeof e.location === 'string' ? e.location.replace(/^body\./, '') : '', message: e.message }]
      : [],
  )
  return new CallError(status, detail ?? `HTTP ${status}`, problems)
}
