// What the browser has and happy-dom lacks.
import { afterEach } from 'vitest'
import { cleanup } from '@testing-library/svelte'

afterEach(() => {
  cleanup()
  localStorage.clear()
})
