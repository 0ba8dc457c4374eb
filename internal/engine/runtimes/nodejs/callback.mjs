// The ways to end an invocation that AWS has up to Node.js 22: a promise, a
// callback, context.done and its kin, or an event loop with nothing left in it.
import { contextOf, serialize } from './context.mjs';
import { toError } from './errors.mjs';
import { major } from './version.mjs';

// withCallbacks calls the handler, and resolves with { text } or { error }.
export function withCallbacks(state, loaded, headers, body) {
  const neverSettled = state.onIdle;
  const { ended, ways, callback } = endings(state);
  try {
    const result = loaded.handler(JSON.parse(body), Object.assign(ways, contextOf(headers)), callback);
    if (typeof result?.then === 'function') {
      if (major >= 20 && !ways.over) {
        state.onIdle = neverSettled;
      }
      result.then(ways.succeed, ways.fail);
    }
  } catch (error) {
    callback(error ?? 'handled');
  }
  return ended;
}

// endings makes the callback and the context's own ways to end, of which only
// the first that is used counts, and a promise of the end.
function endings(state) {
  let resolve;
  const ended = new Promise((r) => { resolve = r; });
  let over = false;
  let waits = true;
  const end = (error, result) => {
    state.onIdle = null;
    try {
      resolve(error === undefined || error === null ? { text: serialize(result) } : { error, logged: toError(error) });
    } catch (e) {
      resolve({ error: e });
    }
  };
  const firstOnly = (f) => (...args) => {
    if (!over) {
      over = true;
      f(...args);
    }
  };
  const callback = firstOnly((error, result) => {
    if (waits && (error === undefined || error === null)) {
      // The answer is made once the loop is empty; the caller may still change it.
      state.onIdle = () => setImmediate(end, null, result);
    } else {
      end(error, result);
    }
  });
  const done = firstOnly(end);
  state.onIdle = () => done(null, null);
  const ways = {
    get callbackWaitsForEmptyEventLoop() { return waits; },
    set callbackWaitsForEmptyEventLoop(value) { waits = value; },
    done,
    succeed: (result) => done(null, result),
    fail: (error) => done(error ?? 'handled'),
  };
  Object.defineProperty(ways, 'over', { get: () => over, enumerable: false });
  return { ended, ways, callback };
}
