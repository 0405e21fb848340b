// The names of devices and parts, so that no page shows a bare ID for a thing
// that has a name.
import { calls } from '../api/calls'
import type { Device, Part } from '../api/model'
import { stream } from '../live/stream.svelte'

class Names {
  #devices: Map<string, Device> = $state.raw(new Map())
  #parts: Map<string, Part> = $state.raw(new Map())

  /** Loads once and follows the stream; call the result to stop. */
  follow(): () => void {
    const load = () => void this.load()
    load()
    return stream.listen({ again: load, device: (d) => this.learn([d]) })
  }

  async load(): Promise<void> {
    // Names only make pages nicer to read: without them the IDs are shown.
    const [devices, parts] = await Promise.allSettled([calls.devices(), calls.parts()])
    if (devices.status === 'fulfilled') this.learn(devices.value)
    if (parts.status === 'fulfilled') this.learnParts(parts.value)
  }

  learn(devices: Device[]) {
    const next = new Map(this.#devices)
    for (const d of devices) next.set(d.id, d)
    this.#devices = next
  }

  learnParts(parts: Part[]) {
    const next = new Map(this.#parts)
    for (const p of parts) next.set(p.id, p)
    this.#parts = next
  }

  device(id: string): Device | undefined {
    return this.#devices.get(id)
  }

  /** The name of a device or part, the ID when it has none. */
  of = (id: string): string => {
    const d = this.#devices.get(id)
    if (d) return deviceName(d)
    return this.#parts.get(id)?.name || id
  }

  /** The best matches for the beginning of a name, address or ID. */
  find(text: string, n: number): Device[] {
    const want = text.toLowerCase()
    const hit = (d: Device) =>
      [d.name, d.hostname, d.id, d.mac, ...(d.addrs ?? [])].some((v) => v.toLowerCase().includes(want))
    return [...this.#devices.values()].filter(hit).slice(0, n)
  }
}

export function deviceName(d: Device): string {
  return d.name || d.hostname || d.mac || d.id
}

export const names = new Names()
