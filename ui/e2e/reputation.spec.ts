// Reputation as an operator uses it: look something up, decide it, ask what a
// change would do, report a false alarm and decide the report. Runs against the
// fixture or a real control plane (BASE_URL) whose reputation service is on.
import { expect, test, type Page } from '@playwright/test'
import { enter, faults, settled } from './console'

// For documentation (RFC 5737); nothing in a lab speaks with them. The lab's own
// feed, and the fixture's, list the second.
const object = '192.0.2.201'
const listed = '198.51.100.23'

async function lookUp(page: Page, what: string) {
  await page.goto('/reputation')
  await settled(page)
  await page.locator('#reputation-object').fill(what)
  await page.keyboard.press('Enter')
  await expect(page.locator('section[data-verdict] h2')).toHaveText(what)
}

test('look up, deny, what if, report, allow', async ({ page }) => {
  const found = faults(page)
  await enter(page)

  await test.step('by keyboard to the page, and an answer with its reasons', async () => {
    await page.keyboard.press('g')
    await page.keyboard.press('r')
    await expect(page).toHaveURL(/\/reputation$/)
    await lookUp(page, object)
    await expect(page.locator('section[data-verdict]')).toHaveAttribute('data-verdict', 'none')
  })

  await test.step('what cannot be read is said at once', async () => {
    await page.locator('#reputation-object').fill('no such thing')
    await page.keyboard.press('Enter')
    await expect(page.locator('#reputation-problem')).toBeVisible()
  })

  await test.step('denied and taken off again', async () => {
    await lookUp(page, object)
    await page.getByRole('button', { name: 'Always deny' }).click()
    await expect(page.locator('section[data-verdict]')).toHaveAttribute('data-verdict', 'certain')
    await expect(page.locator(`tr[data-entry="${object}"]`)).toBeVisible()
    await page.locator(`tr[data-entry="${object}"] button`).click()
    await expect(page.locator(`tr[data-entry="${object}"]`)).toHaveCount(0)
  })

  await test.step('what a list would do, before it is one', async () => {
    await page.getByRole('link', { name: 'What if', exact: true }).click()
    await expect(page).toHaveURL(/\/reputation\/what-if$/)
    await page.getByLabel('or its text').fill(`${object}\n198.18.7.0/24\n`)
    await page.getByLabel('Trust, 1 to 100').fill('90')
    await page.getByRole('button', { name: 'See what it would do' }).click()
    await expect(page.locator('section[data-question=list] .sum')).not.toBeEmpty()
    await expect(page.locator('tr[data-reach=all]')).toBeVisible()
    await page.getByLabel('Only the score').check()
    await page.getByLabel('Blocked from score').selectOption('50')
    await page.getByRole('button', { name: 'See what it would do' }).click()
    await expect(page.locator('section[data-question=score]')).toContainText('from 50 then')
  })

  await test.step('a false alarm is reported, and decided', async () => {
    await lookUp(page, listed)
    await expect(page.locator('section[data-verdict]')).toHaveAttribute('data-verdict', /high|certain/)
    await page.getByRole('button', { name: 'Report false alarm' }).click()
    await page.locator('#report-note').fill('ours')
    await page.locator('dialog button.primary').click()
    await expect(page.locator('dialog')).toHaveCount(0)
    await page.getByRole('link', { name: 'Effect', exact: true }).click()
    const row = page.locator(`li[data-report="${listed}"]`).first()
    await expect(row).toContainText('ours')
    await row.getByRole('button', { name: /It is a false alarm/ }).click()
    await page.getByRole('checkbox', { name: /Allow it at once/ }).check()
    await page.locator('dialog button.primary').click()
    await expect(page.locator(`li[data-report="${listed}"]`)).toHaveCount(0)
    await lookUp(page, listed)
    await expect(page.locator(`tr[data-entry="${listed}"]`)).toBeVisible()
    await page.locator(`tr[data-entry="${listed}"] button`).click()
    await expect(page.locator(`tr[data-entry="${listed}"]`)).toHaveCount(0)
  })

  await test.step('feeds', async () => {
    await page.getByRole('link', { name: 'Feeds', exact: true }).click()
    await settled(page)
    await expect(page.locator('.figures')).toBeVisible()
  })
  expect(found).toEqual([])
})

test('nothing runs off a narrow screen', async ({ page }) => {
  await enter(page)
  await page.setViewportSize({ width: 360, height: 740 })
  for (const path of ['/reputation', '/reputation/feeds', '/reputation/effect', '/reputation/what-if']) {
    await page.goto(path)
    await settled(page)
    expect(await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth), path).toBe(0)
  }
})
