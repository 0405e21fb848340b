import { defineConfig } from '@playwright/test'

// BASE_URL names a running control plane; without it the fixture is started.
const base = process.env.BASE_URL
const port = 7091

export default defineConfig({
  testDir: 'e2e',
  testIgnore: process.env.SHOTS ? [] : ['**/shots.spec.ts'],
  fullyParallel: false,
  workers: 1,
  timeout: 180_000,
  expect: { timeout: 15_000 },
  reporter: 'line',
  use: {
    baseURL: base ?? `http://127.0.0.1:${port}`,
    ignoreHTTPSErrors: true,
    locale: 'en-GB',
    launchOptions: {
      executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
      args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
    },
  },
  webServer: base ? undefined : { command: 'node e2e/fixture/server.mjs', port, env: { PORT: String(port) } },
})
