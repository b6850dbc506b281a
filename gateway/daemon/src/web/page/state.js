// What the page knows.

export const state = {
  me: null, // who is logged in: {account, role, rights, makes, csrf}
  now: null, // what the box shows
  heard: 0, // when the stream was heard last, by performance.now()
  ahead: 0, // the box's clock less this one's, in ms
  lost: 0, // since when nothing is known; 0: the stream lives
};

/** The box's time in ms. */
export const now = () => Date.now() + state.ahead;

export const may = (right) => state.me?.rights.includes(right) ?? false;

/** Its name for people, or its id. */
export const nameOf = (thing) => thing.name ?? thing.id;

/** The name of `zone/hall` or of a kind and an id. */
export function namedThing(kind, id) {
  const thing = state.now?.things.find((one) => one.kind === kind && one.id === id);
  return thing ? nameOf(thing) : id;
}
