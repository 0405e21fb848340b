// Something that a page loads: what came, whether it is still coming, what
// went wrong. An answer that a newer load overtook is left out.
import { CallError } from '../api/errors'
import { session } from './session.svelte'

export class Resource<T> {
  data: T | undefined = $state.raw(undefined)
  error: CallError | undefined = $state.raw(undefined)
  loading: boolean = $state(false)
  #load: () => Promise<T>
  #turn = 0

  constructor(load: () => Promise<T>) {
    this.#load = load
  }

  reload = async (): Promise<void> => {
    const turn = ++this.#turn
    this.loading = true
    try {
      const data = await this.#load()
      if (turn !== this.#turn) return
      this.data = data
      this.error = undefined
    } catch (err) {
      if (turn !== this.#turn) return
      this.error = err instanceof CallError ? err : new CallError(0, String(err))
      if (this.error.status === 401) session.lost()
    } finally {
      if (turn === this.#turn) this.loading = false
    }
  }

  /** Changes what is shown without asking again. */
  change(how: (data: T) => T) {
    if (this.data !== undefined) this.data = how(this.data)
  }
}

/** Calls work at most once in every gap, and once more at the end. */
export function calm(work: () => void, gap: number): () => void {
  let timer: ReturnType<typeof setTimeout> | undefined
  let last = 0
  return () => {
    if (timer !== undefined) return
    const wait = Math.max(0, last + gap - Date.now())
    timer = setTimeout(() => {
      timer = undefined
      last = Date.now()
      work()
    }, wait)
  }
}
