// Answers that are written as they come.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html
import { Writable } from 'node:stream';
import { InvalidStreamingOperation, toResult } from './errors.mjs';
import { logError } from './console.mjs';

// A ResponseStream is what a streaming handler writes to.
// Nothing is sent before the first write, so that a handler that fails early
// fails as any other.
export class ResponseStream extends Writable {
  #client;
  #headers;
  #contentType = 'application/octet-stream';
  #out = null; // the way to the platform, once it has begun
  #settle;

  constructor(client, headers, highWaterMark) {
    super(highWaterMark ? { highWaterMark } : {});
    this.#client = client;
    this.#headers = headers;
    this.answered = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.answered.catch(() => {}); // whoever waits for it is told; nobody need wait
    this.on('error', (e) => this.#settle.reject(e));
  }

  setContentType(type) {
    if (this.#out) {
      throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    }
    this.#contentType = type;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      chunk = JSON.stringify(chunk);
    }
    if (typeof this._onBeforeFirstWrite === 'function') { // a prelude goes first
      const first = this._onBeforeFirstWrite;
      this._onBeforeFirstWrite = undefined;
      first((data) => super.write(data));
    }
    return super.write(chunk, encoding, callback);
  }

  // end writes its last chunk by way of write, which does not go without saying.
  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') {
      return super.end(chunk);
    }
    if (chunk !== undefined && chunk !== null) {
      this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
    }
    return super.end(typeof encoding === 'function' ? encoding : callback);
  }

  _write(chunk, _encoding, callback) {
    if (chunk.length === 0) { // an empty chunk would be the end
      callback();
      return;
    }
    this.#begin();
    this.#out.write(chunk, callback);
  }

  _final(callback) {
    this.#begin();
    this.#finish().then(() => callback(), callback);
  }

  #begin() {
    this.#out ??= this.#client.stream(this.#headers, this.#contentType, (e) => this.destroy(e));
  }

  async #finish(result) {
    const status = await this.#out.end(result);
    if (status >= 300) {
      logError('Stream Error', new Error(`The Runtime API refused the response: status ${status}`));
    }
    this.#settle.resolve();
  }

  // fail ends the answer with an error. It returns false when nothing was sent
  // yet: then the invocation can fail as others do.
  async fail(error) {
    if (!this.#out) {
      this.destroy();
      return false;
    }
    logError('Invoke Error', error);
    if (this.writableEnded) { // too late: the answer is complete, or lost
      await this.answered.catch(() => {});
      return true;
    }
    await this.#finish(toResult(error)).catch(() => {});
    this.destroy();
    return true;
  }
}

// HttpResponseStream adds status and headers, for a function URL.
export class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    stream._onBeforeFirstWrite = (write) => {
      write(JSON.stringify(prelude));
      write(new Uint8Array(8)); // ends the prelude
    };
    return stream;
  }
}
