// Answers that are written as they come.
// https://docs.aws.amazon.com/lambda/latest/dg/config-rs-write-functions.html
import { Writable } from 'node:stream';
import { InvalidStreamingOperation, toResult } from './errors.mjs';
import { logError } from './console.mjs';

// A ResponseStream is what a streaming handler writes to.
// Nothing is sent before the first write, so that a handler that fails early
// fails as any other. What is written while a write is under way goes out
// together, when that one is done.
export class ResponseStream extends Writable {
  #client;
  #headers;
  #contentType = 'application/octet-stream';
  #written = false;
  #out = null; // the way to the platform, once it has begun
  #failure; // the payload of the error that ends the answer
  #finishing = false;
  #settle;

  constructor(client, headers, highWaterMark) {
    super(highWaterMark ? { highWaterMark } : {});
    this.#client = client;
    this.#headers = headers;
    this.answered = new Promise((resolve, reject) => { this.#settle = { resolve, reject }; });
    this.answered.catch(() => {}); // whoever waits for it is told; nobody need wait
    this.on('error', (e) => this.#settle.reject(e));
    this.on('close', () => this.#settle.reject(new Error('Response stream is not finished.')));
  }

  setContentType(type) {
    if (this.#written) {
      throw new InvalidStreamingOperation('Cannot set content-type, too late.');
    }
    this.#contentType = type;
  }

  write(chunk, encoding, callback) {
    if (typeof chunk !== 'string' && !(chunk instanceof Uint8Array)) {
      chunk = JSON.stringify(chunk);
    }
    this.cork(); // a prelude and the first part go out together
    this.#writePrelude();
    this.#written = true;
    const more = super.write(chunk, encoding, callback);
    this.uncork();
    return more;
  }

  #writePrelude() {
    const first = this._onBeforeFirstWrite;
    if (typeof first === 'function' && !this.#written) {
      this.#written = true;
      first((data) => super.write(data));
    }
  }

  // end writes its last chunk by way of write, which does not go without saying.
  end(chunk, encoding, callback) {
    if (typeof chunk === 'function') {
      callback = chunk;
    } else if (chunk !== undefined && chunk !== null) {
      this.write(chunk, typeof encoding === 'string' ? encoding : undefined);
    }
    if (!this.writableEnded && !this.destroyed) {
      this.#writePrelude();
    }
    return super.end(typeof encoding === 'function' ? encoding : callback);
  }

  _write(chunk, _encoding, callback) { this._writev([{ chunk }], callback); }

  _writev(chunks, callback) {
    const parts = chunks.map(({ chunk }) => chunk).filter((chunk) => chunk.length > 0); // an empty one would be the end
    if (parts.length === 0) {
      callback();
      return;
    }
    this.#begin();
    this.#out.write(parts, callback);
  }

  _final(callback) {
    this.#begin();
    this.#finish().then(() => callback(), callback);
  }

  #begin() {
    this.#out ??= this.#client.stream(this.#headers, this.#contentType, (e) => this.destroy(e));
  }

  async #finish() {
    this.#finishing = true;
    const status = await this.#out.end(this.#failure);
    if (status >= 300) {
      logError('Stream Error', new Error(`The Runtime API refused the response: status ${status}`));
    }
    this.#settle.resolve();
  }

  // fail ends the answer with an error, behind what was written of it. It returns
  // false when nothing was sent yet: then the invocation can fail as others do.
  async fail(error) {
    if (!this.#out) {
      this.destroy();
      return false;
    }
    logError('Invoke Error', error);
    if (!this.writableEnded && !this.destroyed) {
      this.#failure = toResult(error);
      super.end();
    } // else it is too late: the answer is complete, or lost
    await this.answered.catch(() => {});
    if (!this.#finishing) { // it was destroyed
      this.#failure = toResult(error);
      await this.#finish().catch(() => {});
    }
    return true;
  }
}

// HttpResponseStream adds status and headers, for a function URL.
export class HttpResponseStream {
  static from(stream, prelude) {
    stream.setContentType('application/vnd.awslambda.http-integration-response');
    const text = JSON.stringify(prelude);
    stream._onBeforeFirstWrite = (write) => {
      write(text);
      write(new Uint8Array(8)); // ends the prelude
    };
    return stream;
  }
}
