// Errors as the Runtime API, the caller and the log get them.
import { types } from 'node:util';
import { modern } from './version.mjs';

// AWS tells what goes wrong outside the handler by these names.
class RuntimeError extends Error {
  constructor(message) {
    super(message);
    if (modern) { // there it shows in the log
      Object.defineProperty(this, 'name', { value: this.name, enumerable: true });
    }
  }

  get name() { return `Runtime.${this.constructor.name}`; }
}
export class ImportModuleError extends RuntimeError {}
export class HandlerNotFound extends RuntimeError {}
export class MalformedHandlerName extends RuntimeError {}
export class UserCodeSyntaxError extends RuntimeError {
  constructor(error) {
    super(error);
    if (modern) {
      this.stack = error.stack;
    }
  }
}
export class MalformedStreamingHandler extends RuntimeError {}
export class InvalidStreamingOperation extends RuntimeError {}
export class JSONStringifyError extends RuntimeError {}
export class NodeJsExit extends RuntimeError {}
export class CallbackHandlerDeprecated extends RuntimeError {}
export class UnhandledPromiseRejection extends RuntimeError {
  constructor(reason, promise) {
    super(reason);
    this.reason = reason;
    this.promise = promise;
  }
}

const isError = (e) => types.isNativeError(e) || e instanceof Error ||
  (!modern && e && typeof e.name === 'string' && e.name && typeof e.message === 'string' && e.message && typeof e.stack === 'string');

// A DEL would not pass through headers.
const clean = (s) => s?.replaceAll('\x7F', '%7F');

// toResult is the payload for an error.
export function toResult(error) {
  try {
    if (isError(error)) {
      return {
        errorType: clean(error.name),
        errorMessage: clean(error.message),
        trace: clean(error.stack)?.split('\n') ?? [],
      };
    }
    return { errorType: typeof error, errorMessage: String(error), trace: [] };
  } catch {
    return {
      errorType: 'handled',
      errorMessage: 'callback called with Error argument, but there was a problem while retrieving one or more of its message, name, and stack',
      trace: [],
    };
  }
}

export const toError = (e) => (e instanceof Error ? e : new Error(e));

// format is an error as a line of the text log shows it.
export function format(error) {
  try {
    return '\t' + JSON.stringify(error, (_key, v) => (v instanceof Error ? expand(v) : v));
  } catch {
    return '\t' + JSON.stringify(toResult(error));
  }
}

function expand(error) {
  const out = Object.assign({ errorType: error.name, errorMessage: error.message, code: error.code }, error);
  if (typeof error.stack === 'string') {
    out.stack = error.stack.split('\n');
  }
  return out;
}
