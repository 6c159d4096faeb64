// A real browser, under the pages' real policies: every way through a sign-in, by mouse and by keyboard, what a screen
// reader is told of the pages, and pictures of them.
// Fails on whatever the browser's console calls an error, a violated policy among it.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createServer as createTlsServer } from 'node:https';

import { chromium } from 'playwright-core';

import { readAloud, tabThrough } from './accessibility.mjs';
import { colleague } from './browser.mjs';
import { begin, discover, redeem, register, statusWith } from './connection.mjs';

const stranger = 'eve@elsewhere.example';
const pictures = process.env.INTEROP_PICTURES;
const widths = { phone: 390, desktop: 1280 };
/** The smallest screen on which nobody should have to scroll for the buttons. */
const laptop = { width: 1280, height: 720 };
const choices = ['Allow and sign in', 'Do not allow'];
const quiet = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
];

const waiting = createServer((request, response) => {
  response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><title>Connected</title>');
});
waiting.listen(0, '127.0.0.1');
await once(waiting, 'listening');
const redirectUri = `http://127.0.0.1:${waiting.address().port}/callback`;

/** Clients whose callback sends the browser on: to an app of any scheme, or to another port. */
const app = 'claude://callback';
const tls = process.env.INTEROP_TLS;
const certificate = { cert: readFileSync(`${tls}/localhost.pem`), key: readFileSync(`${tls}/localhost.key`) };
const hops = {
  loopbackToApp: await hop(createServer(), 'http://127.0.0.1', app),
  loopbackToPort: await hop(createServer(), 'http://127.0.0.1', redirectUri),
  httpsToApp: await hop(createTlsServer(certificate), 'https://localhost', app),
  httpsToPort: await hop(createTlsServer(certificate), 'https://localhost', redirectUri),
};

const server = await discover();
const client = await register(server, redirectUri);
const browser = await chromium.launch({ executablePath: process.env.INTEROP_CHROMIUM, args: quiet });
const complaints = [];

const ways = [
  allowed, allowedAgain, denied, cancelled, wentBack, wrongAccount, gaveUp, inParallel, unknownClient, allowedByKeyboard,
  deniedByKeyboard, hopsOnToApp, hopsOnToPort, hopsOnFromHttpsToApp, hopsOnFromHttpsToPort, comesBackToFinished,
];
try {
  mkdirSync(pictures, { recursive: true });
  for (const way of ways) {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    context.setDefaultTimeout(10_000);
    try {
      await way(context);
      console.log(`ok ${way.name}`);
    } catch (error) {
      console.log(`FAILED ${way.name}: ${error.stack}`);
      process.exitCode = 1;
    }
    await context.close();
  }
} finally {
  await browser.close();
  waiting.close();
  Object.values(hops).forEach(({ listener }) => listener.close());
}
assert.deepEqual(complaints, []);

async function allowed(context) {
  const { page, connection } = await start(context);
  await readAloud(page, choices);
  await fits(page);
  await take(page, 'consent');
  await decide(page, 'approve');
  await logIn(page, colleague);
  await connected(page, connection);
}

/** With a session at Access nobody is asked to log in, so the form's answer goes through three origins at once. */
async function allowedAgain(context) {
  await allowed(context);
  const { page, connection } = await start(context);
  await decide(page, 'approve');
  await connected(page, connection);
}

/** A client whose callback answers 307, as Claude's does. */
async function hop(listener, origin, target) {
  const arrived = [];
  listener.on('request', (request, response) => {
    const url = new URL(request.url, origin);
    if (url.pathname !== '/callback') return response.writeHead(404).end();
    arrived.push(url);
    return response.writeHead(307, { location: `${target}${url.search}` }).end();
  });
  listener.listen(0, origin.includes('localhost') ? 'localhost' : '127.0.0.1');
  await once(listener, 'listening');
  return { listener, arrived, uri: `${origin}:${listener.address().port}/callback` };
}

/**
 * With a session at Access one click goes through all hops, and the browser would hold `form-action` against each of
 * them: what it blocks is a complaint in its console.
 */
async function hopsOn(context, { arrived, uri }, isThere) {
  await allowed(context);
  const hopping = await register(server, uri);
  for (const decision of ['approve', 'deny']) {
    const { page, connection } = await start(context, hopping, uri);
    const last = isThere(page);
    await decide(page, decision);
    await last;
    const answer = arrived.pop();
    assert.ok(answer, `${decision}: the callback was not reached`);
    if (decision === 'approve') assert.equal(await statusWith((await redeem(connection, answer)).access_token), 200);
    else assert.equal(answer.searchParams.get('error'), 'access_denied');
    await page.close();
  }
}

/** No app is there: the browser gives the navigation up. */
async function inApp(page) {
  await page.waitForEvent('requestfailed', (request) => request.isNavigationRequest());
}

async function atPort(page) {
  await page.waitForURL((url) => url.href.startsWith(redirectUri));
}

async function hopsOnToApp(context) {
  await hopsOn(context, hops.loopbackToApp, inApp);
}

async function hopsOnToPort(context) {
  await hopsOn(context, hops.loopbackToPort, atPort);
}

async function hopsOnFromHttpsToApp(context) {
  await hopsOn(context, hops.httpsToApp, inApp);
}

async function hopsOnFromHttpsToPort(context) {
  await hopsOn(context, hops.httpsToPort, atPort);
}

/** A click on a page whose sign-in is over says so, and where to start again. */
async function comesBackToFinished(context) {
  const { page, connection } = await start(context);
  const fields = await page.locator('input[type=hidden]').evaluateAll((all) => all.map(({ name, value }) => [name, value]));
  await decide(page, 'approve');
  await logIn(page, colleague);
  await connected(page, connection);
  // A page that stayed open shows the same form still.
  const { page: stale } = await start(context);
  for (const [name, value] of fields) {
    await stale.locator(`input[name=${name}]`).evaluate((field, old) => { field.value = old; }, value);
  }
  await decide(stale, 'approve');
  await stale.getByRole('heading', { name: 'already signed in' }).waitFor();
  assert.equal(await stale.getByText('cookies').count(), 0);
}

async function denied(context) {
  const { page } = await start(context);
  await decide(page, 'deny');
  await refused(page);
}

async function cancelled(context) {
  const { page, connection } = await start(context);
  await decide(page, 'approve');
  await page.click('button[value=cancel]');
  await page.getByRole('heading', { name: 'not signed in' }).waitFor();
  await take(page, 'sign-in-cancelled');
  await decide(page, 'approve');
  await logIn(page, colleague);
  await connected(page, connection);
}

async function wentBack(context) {
  const { page, connection } = await start(context);
  await decide(page, 'approve');
  await page.locator('input[name=email]').waitFor();
  await page.goBack();
  await decide(page, 'approve');
  await logIn(page, colleague);
  await connected(page, connection);
}

async function wrongAccount(context) {
  const { page, connection } = await start(context);
  await decide(page, 'approve');
  await logIn(page, stranger);
  const signOut = page.getByRole('link', { name: /sign out/i });
  await signOut.waitFor();
  const controls = ['Try again', 'Cancel and return to 127.0.0.1', 'sign out (opens a new tab)'];
  await readAloud(page, controls);
  assert.deepEqual(await tabThrough(page), [controls[2], controls[0], controls[1]]);
  await take(page, 'wrong-account');
  const [other] = await Promise.all([context.waitForEvent('page'), signOut.click()]);
  await other.getByRole('heading', { name: 'signed out' }).waitFor();
  await other.close();
  await decide(page, 'approve');
  await logIn(page, colleague);
  await connected(page, connection);
}

async function gaveUp(context) {
  const { page } = await start(context);
  await decide(page, 'approve');
  await logIn(page, stranger);
  await decide(page, 'deny');
  await refused(page);
}

async function inParallel(context) {
  const tabs = [await start(context), await start(context)];
  for (const { page } of tabs) await decide(page, 'approve');
  for (const { page, connection } of tabs) {
    await logIn(page, colleague);
    await connected(page, connection);
  }
}

async function unknownClient(context) {
  const { page } = await start(context, { ...client, client_id: 'nobody' });
  await page.getByRole('heading', { level: 1 }).waitFor();
  assert.equal(await page.locator('form').count(), 0);
  await readAloud(page, []);
  await take(page, 'error');
}

async function allowedByKeyboard(context) {
  const { page, connection } = await start(context);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  const email = page.locator('input[name=email]');
  await email.waitFor();
  while (!(await email.evaluate((element) => element === document.activeElement))) await page.keyboard.press('Tab');
  await page.keyboard.type(colleague);
  await page.keyboard.press('Enter');
  await connected(page, connection);
}

async function deniedByKeyboard(context) {
  const { page } = await start(context);
  assert.deepEqual(await tabThrough(page), choices);
  await page.locator('button[value=deny]').focus();
  await page.keyboard.press('Space');
  await refused(page);
}

async function start(context, as = client, uri = redirectUri) {
  const connection = await begin(server, as, uri);
  const page = await context.newPage();
  page.on('console', (message) => isComplaint(message) && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(connection.url.href);
  return { page, connection };
}

/** All that the console calls an error, but not that one of our pages says what failed, nor what others lack. */
function isComplaint(message) {
  if (message.type() !== 'error') return false;
  // That no app opens its scheme here is how a browser says that it got there.
  if (message.text().startsWith(`Failed to launch '${app}`)) return false;
  const isMissing = message.text().startsWith('Failed to load resource');
  const isOurs = message.location().url.startsWith(server.issuer);
  return !isMissing || (isOurs && !/status of 40[03]/.test(message.text()));
}

async function decide(page, decision) {
  await page.click(`button[name=decision][value=${decision}]`);
}

async function logIn(page, email) {
  await page.fill('input[name=email]', email);
  await page.click('button[value=login]');
}

async function connected(page, connection) {
  const answer = await answerOf(page);
  const tokens = await redeem(connection, answer);
  assert.equal(await statusWith(tokens.access_token), 200);
}

async function refused(page) {
  assert.equal((await answerOf(page)).searchParams.get('error'), 'access_denied');
}

async function answerOf(page) {
  await page.waitForURL((url) => url.href.startsWith(redirectUri));
  return new URL(page.url());
}

/** Both buttons are seen without scrolling. */
async function fits(page) {
  await page.setViewportSize(laptop);
  for (const name of choices) {
    const { y, height } = await page.getByRole('button', { name }).boundingBox();
    assert.ok(y + height <= laptop.height, `"${name}" ends at ${y + height} of ${laptop.height}`);
  }
}

/** Pictures of a page, which must fit its width. */
async function take(page, name) {
  for (const [device, width] of Object.entries(widths)) {
    await page.setViewportSize({ width, height: 844 });
    for (const colorScheme of ['light', 'dark']) {
      await page.emulateMedia({ colorScheme });
      await page.screenshot({ path: `${pictures}/${name}-${device}-${colorScheme}.png`, fullPage: true });
    }
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    assert.ok(overflow <= 0, `${name} is ${overflow} pixels too wide for ${width}`);
  }
}
