// The ways to end an invocation that AWS has up to Node.js 22: a promise, a
// callback, context.done and its kin, or an event loop with nothing left in it.
import { contextOf, serialize } from './context.mjs';

// withCallbacks calls the handler, and resolves with { text } or { error }.
export function withCallbacks(state, { handler }, { headers }, body) {
  return new Promise((resolve) => {
    const neverSettled = state.onIdle;
    let over = false;
    let waits = true;
    const end = (error, result) => {
      try {
        resolve(error === undefined || error === null ? { text: serialize(result) } : { error });
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
    const done = firstOnly((error, result) => {
      state.onIdle = null;
      end(error, result);
    });
    const callback = firstOnly((error, result) => {
      const failed = error !== undefined && error !== null;
      if (failed || !waits) {
        state.onIdle = null;
        end(error, result);
        return;
      }
      // The answer is made once the loop is empty; the caller may still change it.
      state.onIdle = () => {
        state.onIdle = null;
        setImmediate(end, null, result);
      };
    });
    const ways = {
      get callbackWaitsForEmptyEventLoop() { return waits; },
      set callbackWaitsForEmptyEventLoop(value) { waits = value; },
      done,
      succeed: (result) => done(null, result),
      fail: (error) => done(error ?? 'handled'),
    };
    state.onIdle = () => done(null, null);
    try {
      const result = handler(JSON.parse(body), Object.assign(ways, contextOf(headers)), callback);
      if (typeof result?.then === 'function') {
        if (state.major >= 20 && !over) {
          state.onIdle = neverSettled;
        }
        result.then(ways.succeed, ways.fail);
      }
    } catch (error) {
      callback(error ?? 'handled');
    }
  });
}
