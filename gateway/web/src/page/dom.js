// Small tools for the page's elements.

export const byId = (id) => document.getElementById(id);

export function element(tag, className, text) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (text !== undefined) node.textContent = text;
  return node;
}

/** Sets a text only when it is another: a screen reader speaks what changes. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** Brings the children of a list in line with items, keeping the elements that stay: focus too. */
export function keyed(parent, items, keyOf, make, update) {
  const before = new Map();
  for (const child of parent.children) before.set(child.dataset.key, child);
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    let child = before.get(key);
    if (child) before.delete(key);
    else {
      child = make(item);
      child.dataset.key = key;
    }
    update(child, item);
    if (child === place) place = place.nextElementSibling;
    else parent.insertBefore(child, place);
  }
  for (const child of before.values()) child.remove();
}

let hush = 0;

/** Says something for some seconds. */
export function toast(text, bad) {
  const node = byId("toast");
  node.textContent = text;
  node.className = bad ? "bad" : "good";
  node.hidden = false;
  clearTimeout(hush);
  hush = setTimeout(() => { node.hidden = true; }, bad ? 9000 : 4000);
}

/** What the browser keeps, if it may. */
export function kept(key, value) {
  try {
    if (value === undefined) return localStorage.getItem(key);
    localStorage.setItem(key, value);
  } catch { /* storage may be forbidden: then nothing is kept */ }
  return null;
}
