// A user's browser without a screen: it walks from an authorization URL over the consent and the login page to the
// client's redirect URI. It knows of pages only their forms, of HTTP what a browser does with cookies and redirects.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';

export const colleague = 'ada@example.com';

const stepLimit = 12;

const patience = { tries: 50, pauseMilliseconds: 100 };

/** Signs in at an authorization URL and takes the answer to the client, which may not listen yet. */
export async function visit(authorizationUrl) {
  const redirectUri = new URL(authorizationUrl).searchParams.get('redirect_uri');
  const answer = await new Browser().signIn(authorizationUrl, redirectUri);
  for (let tries = 1; ; tries += 1) {
    try {
      return await fetch(answer);
    } catch (error) {
      if (tries === patience.tries) throw error;
      await sleep(patience.pauseMilliseconds);
    }
  }
}

export class Browser {
  #cookies = new Map();

  /** The URL that the server sends the client at last, with a code or an error. */
  async signIn(authorizationUrl, redirectUri, { email = colleague, decision = 'approve' } = {}) {
    let step = { url: new URL(authorizationUrl) };
    for (let count = 0; count < stepLimit; count += 1) {
      const response = await this.#send(step);
      const location = response.headers.get('location');
      if (location === null) {
        step = filledIn(await pageOf(response), step.url, { email, decision });
      } else {
        step = { url: new URL(location, step.url) };
        if (step.url.href.startsWith(redirectUri)) return step.url;
      }
    }
    assert.fail(`no way to ${redirectUri} in ${stepLimit} steps; the last was ${step.url.origin}${step.url.pathname}`);
  }

  /** Forms are sent as a page with `Referrer-Policy: no-referrer` sends them: without an origin, but from here. */
  async #send({ url, body }) {
    const headers = { cookie: this.#cookiesFor(url), accept: 'text/html' };
    if (body !== undefined) Object.assign(headers, { origin: 'null', 'sec-fetch-site': 'same-origin' });
    const method = body === undefined ? 'GET' : 'POST';
    const response = await fetch(url, { method, body, headers, redirect: 'manual' });
    response.headers.getSetCookie().forEach((line) => this.#keep(url, line));
    return response;
  }

  #keep(url, line) {
    const [pair, ...attributes] = line.split(';').map((part) => part.trim());
    const [name, value] = splitOnce(pair, '=');
    const jar = this.#cookies.get(url.origin) ?? new Map();
    if (attributes.some((attribute) => /^max-age=0$/i.test(attribute))) jar.delete(name);
    else jar.set(name, value);
    this.#cookies.set(url.origin, jar);
  }

  #cookiesFor(url) {
    return [...(this.#cookies.get(url.origin) ?? [])].map(([name, value]) => `${name}=${value}`).join('; ');
  }
}

async function pageOf(response) {
  const html = await response.text();
  assert.equal(response.status, 200, html);
  return html;
}

/** What sending the form of a page sends: its hidden fields, and the user's e-mail address or decision. */
function filledIn(html, url, { email, decision }) {
  const form = /<form([^>]*)>(.*?)<\/form>/s.exec(html);
  assert.ok(form, `a page without a form: ${html}`);
  const fields = [...form[2].matchAll(/<input([^>]*)>/g)].map(([, tag]) => tag);
  const body = new URLSearchParams();
  for (const field of fields.filter((tag) => attribute(tag, 'type') === 'hidden')) {
    body.set(attribute(field, 'name'), attribute(field, 'value'));
  }
  const asks = (name) => fields.some((tag) => attribute(tag, 'name') === name);
  if (asks('email')) body.set('email', email);
  else if (asks('login')) Object.entries({ login: email, password: 'any' }).forEach((pair) => body.set(...pair));
  else body.set('decision', decision);
  return { url: new URL(attribute(form[1], 'action') ?? '', url), body };
}

function attribute(tag, name) {
  const value = new RegExp(`\\b${name}="([^"]*)"`).exec(tag)?.[1];
  return value?.replaceAll('&quot;', '"').replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&amp;', '&');
}

function splitOnce(text, separator) {
  const at = text.indexOf(separator);
  return [text.slice(0, at), text.slice(at + separator.length)];
}
