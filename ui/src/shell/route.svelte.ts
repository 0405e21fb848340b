// Which page is shown. The address is the whole state: every page can be
// reached by its link, and Back works.

class Route {
  path: string = $state(location.pathname)
  query: URLSearchParams = $state.raw(new URLSearchParams(location.search))
  /** Rises with each step to another page, so that focus can follow. */
  steps: number = $state(0)

  constructor() {
    addEventListener('popstate', () => this.#read(true))
    document.addEventListener('click', (e) => this.#click(e))
  }

  go(href: string, replace = false) {
    const samePage = new URL(href, location.href).pathname === location.pathname
    if (replace) history.replaceState(null, '', href)
    else history.pushState(null, '', href)
    this.#read(!samePage)
    if (!samePage) scrollTo(0, 0)
  }

  /** Changes one value of the query; an empty one goes. */
  set(name: string, value: string, replace = true) {
    const q = new URLSearchParams(location.search)
    if (value) q.set(name, value)
    else q.delete(name)
    const text = q.toString()
    this.go(location.pathname + (text ? `?${text}` : ''), replace)
  }

  #read(step: boolean) {
    this.path = location.pathname
    this.query = new URLSearchParams(location.search)
    if (step) this.steps++
  }

  #click(e: MouseEvent) {
    if (e.defaultPrevented || e.button !== 0 || e.metaKey || e.ctrlKey || e.shiftKey || e.altKey) return
    const link = (e.target as Element | null)?.closest?.('a')
    if (!link || link.target || link.hasAttribute('download') || link.origin !== location.origin) return
    if (link.pathname.startsWith('/api/') || link.getAttribute('href')?.startsWith('#')) return
    e.preventDefault()
    this.go(link.pathname + link.search)
  }
}

export const route = new Route()

/** The values of a pattern such as /devices/:id, or null when it does not fit. */
export function fit(pattern: string, path: string): Record<string, string> | null {
  const want = pattern.split('/')
  const have = path.replace(/\/+$/, '').split('/')
  if (path === '/' || path === '') have.splice(0, have.length, '', '')
  if (want.length !== have.length) return null
  const values: Record<string, string> = {}
  for (const [i, w] of want.entries()) {
    const h = have[i] ?? ''
    if (w.startsWith(':')) values[w.slice(1)] = decodeURIComponent(h)
    else if (w !== h) return null
  }
  return values
}
