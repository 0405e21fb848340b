// The one connection over which the control plane says what changes.
import type { Action, Device, Event, Incident } from '../api/model'
import { backoff } from './reduce'

export interface Listener {
  events?: (events: Event[]) => void
  incident?: (incident: Incident) => void
  action?: (action: Action) => void
  device?: (device: Device) => void
  /** The connection is back after a gap: what is on screen may be old. */
  again?: () => void
}

export type Link = 'off' | 'connecting' | 'up' | 'lost'

const gatherFor = 200 // ms: events are shown in batches, so a storm cannot choke the page
const silence = 90_000 // ms

class Stream {
  link: Link = $state('off')
  lostAt: number = $state(0)
  #query = ''
  #source: EventSource | undefined
  #listeners = new Set<Listener>()
  #gathered: Event[] = []
  #gatherTimer: ReturnType<typeof setTimeout> | undefined
  #retryTimer: ReturnType<typeof setTimeout> | undefined
  #watchTimer: ReturnType<typeof setInterval> | undefined
  #attempt = 0
  #heard = 0
  #wasUp = false

  start() {
    if (this.link !== 'off') return
    this.#watchTimer = setInterval(() => this.#watch(), 5_000)
    this.#connect()
  }

  stop() {
    clearInterval(this.#watchTimer)
    clearTimeout(this.#retryTimer)
    this.#source?.close()
    this.#source = undefined
    this.#wasUp = false
    this.link = 'off'
  }

  /** Only events that match come from now on; the other messages always come. */
  query(q: string) {
    if (q === this.#query) return
    this.#query = q
    if (this.link !== 'off') this.#connect()
  }

  listen(l: Listener): () => void {
    this.#listeners.add(l)
    return () => this.#listeners.delete(l)
  }

  /** Tries now instead of at the end of the wait. */
  retry() {
    if (this.link !== 'off') this.#connect()
  }

  #connect() {
    clearTimeout(this.#retryTimer)
    this.#source?.close()
    if (this.link === 'off') this.link = 'connecting'
    const q = this.#query ? `?q=${encodeURIComponent(this.#query)}` : ''
    const source = new EventSource(`/api/v1/events/live${q}`)
    this.#source = source
    this.#heard = Date.now()
    source.onopen = () => this.#opened()
    source.onerror = () => this.#failed()
    this.#on<Event>(source, 'event', (e) => this.#gather(e))
    this.#on<Incident>(source, 'incident', (i) => this.#tell((l) => l.incident?.(i)))
    this.#on<Action>(source, 'action', (a) => this.#tell((l) => l.action?.(a)))
    this.#on<Device>(source, 'device', (d) => this.#tell((l) => l.device?.(d)))
    source.addEventListener('ping', () => (this.#heard = Date.now()))
  }

  #on<T>(source: EventSource, type: string, take: (value: T) => void) {
    source.addEventListener(type, (message) => {
      this.#heard = Date.now()
      try {
        take(JSON.parse((message as MessageEvent<string>).data) as T)
      } catch (err) {
        console.warn('live: a message that is not JSON was left out', type, err)
      }
    })
  }

  #opened() {
    const again = this.#wasUp
    this.#wasUp = true
    this.#attempt = 0
    this.link = 'up'
    if (again) this.#tell((l) => l.again?.())
  }

  #failed() {
    this.#source?.close()
    if (this.link !== 'lost') this.lostAt = Date.now()
    this.link = 'lost'
    clearTimeout(this.#retryTimer)
    this.#retryTimer = setTimeout(() => this.#connect(), backoff(this.#attempt++, Math.random()))
  }

  /** A laptop that slept keeps a dead connection that never says so. Comments
   * of the stream are not visible here, so after a long silence it connects
   * anew, without calling the link lost. */
  #watch() {
    if (this.link === 'up' && Date.now() - this.#heard > silence) this.#connect()
  }

  #gather(e: Event) {
    this.#gathered.push(e)
    this.#gatherTimer ??= setTimeout(() => {
      const events = this.#gathered
      this.#gathered = []
      this.#gatherTimer = undefined
      this.#tell((l) => l.events?.(events))
    }, gatherFor)
  }

  #tell(what: (l: Listener) => void) {
    for (const l of this.#listeners) what(l)
  }
}

export const stream = new Stream()
