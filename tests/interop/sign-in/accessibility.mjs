// What a screen reader and a keyboard make of a page: a program in place of a listener.

import assert from 'node:assert/strict';

/** Roles of things that a listener is told of by their names. A form without one is no landmark, and needs none. */
const named = ['RootWebArea', 'button', 'link', 'heading', 'textbox', 'checkbox', 'image', 'img', 'region'];
const mostTabs = 20;

/** Checks the accessibility tree: language, landmark, headings, and the names of everything that can be used. */
export async function readAloud(page, controls) {
  const nodes = await tree(page);
  const of = (role) => nodes.filter((node) => role === node.role);
  const nameless = nodes.filter((node) => named.includes(node.role) && !node.name.trim());
  assert.deepEqual(nameless, [], 'something has no name');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'en');
  assert.equal(of('RootWebArea').length, 1);
  assert.ok((await page.title()).length > 10, 'the title says little');
  assert.equal(of('main').length, 1, 'the page has one main part');
  assert.ok(nodes.filter((node) => node.role === 'StaticText').every((node) => node.within.includes('main')),
    'text stands outside of the main part');
  assert.deepEqual(levelFlaws(of('heading').map((node) => node.level)), []);
  assert.deepEqual([...of('button'), ...of('link')].map((node) => node.name).sort(), [...controls].sort());
  assert.equal(of('image').length + of('img').length, 0, 'the mark is decoration');
  for (const list of of('list')) assert.ok(list.children.includes('listitem'), 'a list has no items');
  return nodes;
}

/** Goes through the page by Tab alone; the names in the order of focus. Each must show that it has the focus. */
export async function tabThrough(page) {
  const names = [];
  for (let pressed = 0; pressed < mostTabs; pressed += 1) {
    await page.keyboard.press('Tab');
    const focused = await page.evaluate(() => {
      const element = document.activeElement;
      if (!element || element === document.body) return null;
      const { outlineStyle, outlineWidth } = getComputedStyle(element);
      return { name: element.innerText.trim(), shown: outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 };
    });
    if (!focused || names.includes(focused.name)) return names;
    assert.ok(focused.shown, `${focused.name} does not show that it has the focus`);
    names.push(focused.name);
  }
  return assert.fail('the focus never comes back');
}

/** One heading of the first level, first of all, and no level left out. */
function levelFlaws(levels) {
  const flaws = levels.filter((level, index) => (index === 0 ? level !== 1 : level === 1 || level > levels[index - 1] + 1));
  return levels.length === 0 ? ['no heading'] : flaws;
}

async function tree(page) {
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send('Accessibility.getFullAXTree');
  await session.detach();
  const byId = new Map(nodes.map((node) => [node.nodeId, node]));
  const role = (node) => node.role?.value;
  const within = (node) => {
    const parent = byId.get(node.parentId);
    return parent ? [role(parent), ...within(parent)] : [];
  };
  return nodes.filter((node) => !node.ignored).map((node) => ({
    role: role(node),
    name: node.name?.value ?? '',
    level: node.properties?.find(({ name }) => name === 'level')?.value.value,
    within: within(node),
    children: (node.childIds ?? []).map((id) => byId.get(id)).filter(Boolean).map(role),
  }));
}
