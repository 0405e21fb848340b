// What the live stream does to what is on screen. Pure: no clock, no network.
import type { Event } from '../api/model'

/** How many events the live list holds; older ones are one search away. */
export const capacity = 500

export interface Feed {
  events: Event[] // newest first
  held: Event[] // arrived while paused, newest first
  paused: boolean
  seen: number // since the feed began
  missed: number // arrived while paused beyond capacity
}

export const emptyFeed: Feed = { events: [], held: [], paused: false, seen: 0, missed: 0 }

/** Newest first by time; the id, which rises with time, settles equal ones. */
function newestFirst(a: Event, b: Event): number {
  if (a.time !== b.time) return a.time < b.time ? 1 : -1
  return a.id < b.id ? 1 : a.id > b.id ? -1 : 0
}

/** Joins lists of events: each id once, its latest form, newest first. */
export function join(arrived: Event[], known: Event[]): Event[] {
  const byID = new Map<string, Event>()
  for (const e of known) byID.set(e.id, e)
  for (const e of arrived) byID.set(e.id, e)
  return [...byID.values()].sort(newestFirst)
}

/** Takes events that came from the stream. */
export function arrive(feed: Feed, arrived: Event[]): Feed {
  if (arrived.length === 0) return feed
  const seen = feed.seen + arrived.length
  if (!feed.paused) return { ...feed, seen, events: join(arrived, feed.events).slice(0, capacity) }
  const held = join(arrived, feed.held)
  const missed = feed.missed + Math.max(0, held.length - capacity)
  return { ...feed, seen, missed, held: held.slice(0, capacity) }
}

export function pause(feed: Feed): Feed {
  return { ...feed, paused: true }
}

/** Shows what was held back. */
export function resume(feed: Feed): Feed {
  const events = join(feed.held, feed.events).slice(0, capacity)
  return { ...feed, paused: false, events, held: [], missed: 0 }
}

/** Begins again with what a search found; keeps the pause. */
export function restart(feed: Feed, found: Event[]): Feed {
  return { ...emptyFeed, paused: feed.paused, events: join(found, []).slice(0, capacity) }
}

/** Adds what an older page of the search found. */
export function extend(feed: Feed, older: Event[]): Feed {
  return { ...feed, events: join(feed.events, older) }
}

/** Puts a changed object into a list: in its place, or at the front. */
export function upsert<T extends { id: string }>(list: T[], changed: T): T[] {
  const at = list.findIndex((x) => x.id === changed.id)
  return at < 0 ? [changed, ...list] : list.with(at, changed)
}

/** Milliseconds to wait before attempt n (0 is the first) to connect again. */
export function backoff(n: number, random: number): number {
  const ceiling = Math.min(15_000, 500 * 2 ** n)
  return ceiling / 2 + (ceiling / 2) * random
}
