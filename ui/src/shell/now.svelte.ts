// One clock for everything on screen that says how long ago or how long still.
class Now {
  ms: number = $state(Date.now())

  constructor() {
    setInterval(() => {
      if (!document.hidden) this.ms = Date.now()
    }, 1000)
    document.addEventListener('visibilitychange', () => (this.ms = Date.now()))
  }
}

export const now = new Now()
